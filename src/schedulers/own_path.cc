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

}  // namespace

void Scheduler::set_path(const SigmaPath&) { fail(ErrorKind::unsupported, "this scheduler takes no timesteps or sigmas of one's own"); }

SigmaPath completed(const SigmaPath& own, const TrainingSigmas& training, const SigmaSpread& spread) {
  SigmaPath path = own;
  if (own.sigmas.empty()) {
    if (own.timesteps.empty()) fail(ErrorKind::invalid_argument, "timesteps is empty, at least one is needed");
    if (spread) fail(ErrorKind::invalid_argument, "timesteps of one's own do not go with sigmas that are spread (", to_string(spread.kind()), ")");
    require_descent("timesteps", own.timesteps, static_cast<double>(training.values().size() - 1));
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
