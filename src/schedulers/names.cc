// What people call schedulers: by class, and by the names of other programs.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "core/guard.h"
#include "impasto/pipeline.h"
#include "schedulers/schedule.h"

namespace impasto {
namespace {

struct Alias {
  std::string_view name, short_name;
};

// Names of ComfyUI and k-diffusion that are not ours or A1111's in another spelling.
constexpr std::array<Alias, 5> kAliases{{
    {"euler_ancestral", "euler_a"},
    {"dpm_2_ancestral", "dpm2_a"},
    {"dpmpp_2m_sde_gpu", "dpm++_2m_sde"},
    {"dpmpp_sde_gpu", "dpm++_sde"},
    {"dpm_solver++", "dpm++_2m"},
}};

/// Letters and digits in lower case, a plus sign as "p": "DPM++ 2M", "dpm++_2m" and "dpmpp_2m" are one.
std::string key_of(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') key += static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) key += c;
    if (c == '+') key += 'p';
  }
  return key;
}

/// The short name; empty when nobody is called so.
std::string short_name_of(const std::string& key) {
  for (const SchedulerName& name : scheduler_names())
    for (const std::string& known : {name.short_name, name.class_name, name.a1111_name})
      if (key_of(known) == key) return name.short_name;
  const auto* alias = std::find_if(kAliases.begin(), kAliases.end(), [&](const Alias& a) { return key_of(a.name) == key; });
  return alias == kAliases.end() ? "" : std::string(alias->short_name);
}

}  // namespace

std::optional<NamedScheduler> find_scheduler(const std::string& name) {
  return guarded([&]() -> std::optional<NamedScheduler> {
    const bool has_letters_only = name.find_first_not_of(" +-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
    if (!has_letters_only) return std::nullopt;
    std::string key = key_of(name);
    const bool of_k_diffusion = name.starts_with("k_") && short_name_of(key).empty();
    if (of_k_diffusion) key.erase(0, 1);
    if (std::string found = short_name_of(key); !found.empty()) return NamedScheduler{std::move(found), ""};
    for (const ScheduleName& schedule : schedule_names()) {
      const std::string ending = key_of(schedule.name);
      if (!key.ends_with(ending)) continue;
      if (std::string found = short_name_of(key.substr(0, key.size() - ending.size())); !found.empty())
        return NamedScheduler{std::move(found), std::string(schedule.schedule)};
    }
    return std::nullopt;
  });
}

std::optional<std::string> find_schedule(const std::string& name) {
  return guarded([&]() -> std::optional<std::string> {
    for (const ScheduleName& schedule : schedule_names())
      if (key_of(schedule.name) == key_of(name)) return std::string(schedule.schedule);
    return std::nullopt;
  });
}

}  // namespace impasto
