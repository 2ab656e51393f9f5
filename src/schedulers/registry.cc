// The list of schedulers.
#include <algorithm>
#include <string>

#include "core/fail.h"
#include "schedulers/algorithms.h"
#include "schedulers/scheduler.h"

namespace impasto {
namespace {

struct Entry {
  const char* class_name;
  const char* short_name;
  std::unique_ptr<Scheduler> (*make)(const JsonObject& config);
};

// A class name finds its first line: what comes after presets a field of the config.
constexpr Entry kSchedulers[] = {
    {"PNDMScheduler", "pndm", make_pndm},
    {"DDIMScheduler", "ddim", make_ddim},
    {"DDPMScheduler", "ddpm", make_ddpm},
    {"EulerDiscreteScheduler", "euler", make_euler},
    {"EulerAncestralDiscreteScheduler", "euler_a", make_euler_ancestral},
    {"HeunDiscreteScheduler", "heun", make_heun},
    {"LMSDiscreteScheduler", "lms", make_lms},
    {"KDPM2DiscreteScheduler", "dpm2", make_kdpm2},
    {"KDPM2AncestralDiscreteScheduler", "dpm2_a", make_kdpm2_ancestral},
    {"DPMSolverMultistepScheduler", "dpm++_2m", make_dpm_solver_multistep},
    {"DPMSolverMultistepScheduler", "dpm++_2m_sde", make_dpm_solver_multistep_sde},
    {"DPMSolverSinglestepScheduler", "dpm++_2s", make_dpm_solver_singlestep},
    {"DPMSolverSDEScheduler", "dpm++_sde", make_dpm_solver_sde},
    {"DEISMultistepScheduler", "deis", make_deis},
    {"UniPCMultistepScheduler", "unipc", make_unipc},
    {"LCMScheduler", "lcm", make_lcm},
    {"TCDScheduler", "tcd", make_tcd},
};

const Entry& find(const std::string& name) {
  const auto matches = [&](const Entry& entry) { return name == entry.class_name || name == entry.short_name; };
  const auto found = std::find_if(std::begin(kSchedulers), std::end(kSchedulers), matches);
  if (found != std::end(kSchedulers)) return *found;
  std::string known;
  for (const Entry& entry : kSchedulers) known += concat(known.empty() ? "" : ", ", entry.class_name, " (", entry.short_name, ")");
  fail(ErrorKind::unsupported, "scheduler \"", name, "\" is not known; there are ", known);
}

}  // namespace

std::unique_ptr<Scheduler> make_scheduler(const JsonObject& config, const std::string& class_name) {
  const std::string name = class_name.empty() ? config.text("_class_name", "") : class_name;
  if (name.empty()) fail(ErrorKind::bad_file, config.where(), ": no _class_name to tell which scheduler it is");
  return find(name).make(config);
}

std::string scheduler_class_name(const std::string& name) { return find(name).class_name; }

std::vector<SchedulerName> scheduler_names() {
  std::vector<SchedulerName> names;
  for (const Entry& entry : kSchedulers) names.push_back({entry.class_name, entry.short_name});
  return names;
}

}  // namespace impasto
