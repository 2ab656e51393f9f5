// The update formulas of DPM-Solver (Lu et al., 2022, arXiv:2206.00927), DPM-Solver++ and SDE-DPM-Solver++ (arXiv:2211.01095).
#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "schedulers/noise_level.h"

namespace impasto {

enum class DpmAlgorithm {
  dpmsolver,       ///< integrates the predicted noise
  dpmsolver_plus,  ///< integrates the predicted clean sample
  sde_dpmsolver,   ///< the same two with fresh noise each step
  sde_dpmsolver_plus,
};

inline bool is_stochastic(DpmAlgorithm a) { return a == DpmAlgorithm::sde_dpmsolver || a == DpmAlgorithm::sde_dpmsolver_plus; }
inline bool predicts_clean(DpmAlgorithm a) { return a == DpmAlgorithm::dpmsolver_plus || a == DpmAlgorithm::sde_dpmsolver_plus; }

/// Reads algorithm_type, one of `known`, and checks that the algorithm can end at the noise level that the config asks for: those that
/// integrate noise cannot end at zero. Throws unsupported.
DpmAlgorithm read_dpm_algorithm(const JsonObject& config, const std::vector<std::string>& known, bool ends_at_zero);

/// x(to) = sample * x(from) + d0 * D0 + d1 * D1 + d2 * D2 + noise * z, where D0 is the model's prediction at `from`, D1 and D2 its first and
/// second differences over lambda (in units of the step), and z standard normal.
struct DpmUpdate {
  double sample, d0;
  double d1_midpoint, d1_heun;  ///< the two readings of the first-order term
  double d2;
  double noise;  ///< 0 unless stochastic

  /// The step from one level to a lower one, which may be without noise (h is infinite then; d1_heun and d2 do not exist and are not to be used).
  DpmUpdate(DpmAlgorithm algorithm, const NoiseLevel& from, const NoiseLevel& to);
};

}  // namespace impasto
