// How noise levels are spread, as an option of a call.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/json.h"

namespace impasto {

struct ScheduleName {
  std::string_view name;      ///< ours, A1111's or ComfyUI's
  std::string_view schedule;  ///< ours: TextToImageOptions::schedule
};

/// Every name, the longer of two with one ending first.
std::span<const ScheduleName> schedule_names();

/// A field that says which schedule was asked for by name, for schedulers that know one beyond diffusers' fields of their class.
inline constexpr const char* kAskedSchedule = "asked_schedule";

/// The config of a scheduler with the fields that make it follow the schedule; "" leaves it as it is. Throws unsupported, listing what there is.
JsonObject with_schedule(const JsonObject& config, const std::string& schedule);

}  // namespace impasto
