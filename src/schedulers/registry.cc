// The list of schedulers.
#include <algorithm>
#include <string>

#include "core/fail.h"
#include "core/quote.h"
#include "schedulers/algorithms.h"
#include "schedulers/schedule.h"
#include "schedulers/scheduler.h"

namespace impasto {
namespace {

struct Entry {
  const char* class_name;
  const char* short_name;
  const char* a1111_name;  // or what A1111 would call it
  std::unique_ptr<Scheduler> (*make)(const JsonObject& config);
};

// A class name finds its first line: what comes after presets a field of the config.
constexpr Entry kSchedulers[] = {
    {"PNDMScheduler", "pndm", "PLMS", make_pndm},
    {"DDIMScheduler", "ddim", "DDIM", make_ddim},
    {"DDPMScheduler", "ddpm", "DDPM", make_ddpm},
    {"EulerDiscreteScheduler", "euler", "Euler", make_euler},
    {"EulerAncestralDiscreteScheduler", "euler_a", "Euler a", make_euler_ancestral},
    {"EDMEulerScheduler", "edm_euler", "EDM Euler", make_edm_euler},
    {"HeunDiscreteScheduler", "heun", "Heun", make_heun},
    {"LMSDiscreteScheduler", "lms", "LMS", make_lms},
    {"KDPM2DiscreteScheduler", "dpm2", "DPM2", make_kdpm2},
    {"KDPM2AncestralDiscreteScheduler", "dpm2_a", "DPM2 a", make_kdpm2_ancestral},
    {"DPMSolverMultistepScheduler", "dpm++_2m", "DPM++ 2M", make_dpm_solver_multistep},
    {"DPMSolverMultistepScheduler", "dpm++_2m_sde", "DPM++ 2M SDE", make_dpm_solver_multistep_sde},
    {"DPMSolverSinglestepScheduler", "dpm++_2s", "DPM++ 2S", make_dpm_solver_singlestep},
    {"DPMSolverSDEScheduler", "dpm++_sde", "DPM++ SDE", make_dpm_solver_sde},
    {"DEISMultistepScheduler", "deis", "DEIS", make_deis},
    {"UniPCMultistepScheduler", "unipc", "UniPC", make_unipc},
    {"LCMScheduler", "lcm", "LCM", make_lcm},
    {"TCDScheduler", "tcd", "TCD", make_tcd},
};

const Entry& find(const std::string& name) {
  const auto named = find_scheduler(name);
  const auto found =
      std::find_if(std::begin(kSchedulers), std::end(kSchedulers), [&](const Entry& e) { return named && named->scheduler == e.short_name; });
  if (found != std::end(kSchedulers)) return *found;
  std::string known;
  for (const Entry& entry : kSchedulers)
    known += concat(known.empty() ? "" : ", ", entry.class_name, " (", entry.short_name, ", ", entry.a1111_name, ")");
  fail(ErrorKind::unsupported, "scheduler ", in_quotes(name), " is not known; there are ", known);
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const JsonObject& config, const std::string& class_name) {
  const std::string name = class_name.empty() ? config.text("_class_name", "") : class_name;
  if (name.empty()) fail(ErrorKind::bad_file, config.where(), ": no _class_name to tell which scheduler it is");
  const Entry& entry = find(name);
  return entry.make(with_schedule(config, find_scheduler(name)->schedule));
}

std::string scheduler_class_name(const std::string& name) { return find(name).class_name; }

std::vector<SchedulerName> scheduler_names() {
  std::vector<SchedulerName> names;
  for (const Entry& entry : kSchedulers) names.push_back({entry.class_name, entry.short_name, entry.a1111_name});
  return names;
}

}  // namespace impasto
