#include "schedulers/own_path.h"

#include <cmath>

#include "core/fail.h"
#include "schedulers/scheduler.h"
#include "schedulers/timesteps.h"

namespace impasto {
namespace {

void require_descent(const char* name, const std::vector<double>& values, double most) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = values[i];
    if (!std::isfinite(v) || v < 0 || v > most) fail(ErrorKind::invalid_argument, name, "[", i, "] is ", v, ", allowed is 0 to ", most);
    if (i > 0 && v >= values[i - 1]) fail(ErrorKind::invalid_argument, name, "[", i, "] is ", v, " after ", values[i - 1], "; they have to go down");
  }
}

constexpr const char* kTakeTimesteps = "ddpm, euler, heun, dpm++_2m, dpm++_2s, lcm and tcd";

void require_timesteps(const std::vector<double>& timesteps, int num_train) {
  if (timesteps.empty()) fail(ErrorKind::invalid_argument, "timesteps is empty, at least one is needed");
  require_descent("timesteps", timesteps, num_train - 1);
}

}  // namespace

void Scheduler::set_path(const SigmaPath& own) {
  fail(ErrorKind::unsupported, "this scheduler takes no ", own.sigmas.empty() ? "timesteps" : "sigmas", " of one's own; timesteps are taken by ",
       kTakeTimesteps, ", sigmas by euler");
}

void require_no_sigmas(const SigmaPath& own) {
  if (!own.sigmas.empty()) fail(ErrorKind::unsupported, "this scheduler takes no sigmas of one's own, but timesteps; euler takes both");
}

std::vector<double> own_whole_timesteps(const SigmaPath& own, int num_train) {
  require_no_sigmas(own);
  require_timesteps(own.timesteps, num_train);
  for (std::size_t i = 0; i < own.timesteps.size(); ++i)
    if (own.timesteps[i] != std::trunc(own.timesteps[i]))
      fail(ErrorKind::invalid_argument, "timesteps[", i, "] is ", own.timesteps[i],
           ", and this scheduler takes whole numbers; euler and heun take others");
  return own.timesteps;
}

SigmaPath completed(const SigmaPath& own, const TrainingSigmas& training, const SigmaSpread& spread) {
  SigmaPath path = own;
  if (own.sigmas.empty()) {
    if (spread) fail(ErrorKind::invalid_argument, "timesteps of one's own do not go with sigmas that are spread (", to_string(spread.kind()), ")");
    require_timesteps(own.timesteps, static_cast<int>(training.values().size()));
    path.sigmas = training.at(own.timesteps);
    return path;
  }
  constexpr double kMost = 1e6;  // zero-terminal noise is 4096
  if (own.sigmas.size() < 2) fail(ErrorKind::invalid_argument, "sigmas has 1 level; the one that the walk ends at has to follow");
  require_descent("sigmas", own.sigmas, kMost);
  path.timesteps = training.timesteps({own.sigmas.begin(), own.sigmas.end() - 1});
  return path;
}

}  // namespace impasto
