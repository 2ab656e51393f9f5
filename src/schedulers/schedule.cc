#include "schedulers/schedule.h"

#include <algorithm>
#include <array>

#include "core/fail.h"
#include "core/quote.h"
#include "impasto/pipeline.h"

namespace impasto {
namespace {

// A1111's "Polyexponential" has the exponent 1, which makes it the exponential one. ComfyUI's and A1111's "simple" and "sgm_uniform" both
// end a step above the smallest level, as diffusers' trailing timesteps do.
constexpr std::array<ScheduleName, 12> kNames{{
    {"automatic", ""},
    {"karras", "karras"},
    {"polyexponential", "exponential"},
    {"exponential", "exponential"},
    {"beta", "beta"},
    {"lu", "lu"},
    {"sgm_uniform", "trailing"},
    {"uniform", "uniform"},
    {"normal", "uniform"},
    {"simple", "trailing"},
    {"trailing", "trailing"},
    {"linspace", "linspace"},
}};

}  // namespace

std::span<const ScheduleName> schedule_names() { return kNames; }

JsonObject with_schedule(const JsonObject& config, const std::string& name) {
  const auto found = find_schedule(name);
  if (!name.empty() && !found)
    fail(ErrorKind::unsupported, "schedule ", in_quotes(name),
         " is not known; there are karras, exponential, beta, lu, uniform (as trained), trailing (SGM Uniform, Simple), linspace and automatic");
  const std::string schedule = name.empty() ? "" : *found;
  if (schedule.empty()) return config;
  if (schedule == "trailing" || schedule == "linspace") return with_schedule(config, "uniform").with("timestep_spacing", schedule);
  JsonObject out = config;
  for (const auto& [spread, field] :
       {std::pair{"karras", "use_karras_sigmas"}, {"exponential", "use_exponential_sigmas"}, {"beta", "use_beta_sigmas"}, {"lu", "use_lu_lambdas"}})
    out = out.with(field, schedule == spread);
  return out.with(kAskedSchedule, schedule);
}

}  // namespace impasto
