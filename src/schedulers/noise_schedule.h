// How much noise there is at each training timestep: what the model was trained with, and every scheduler starts from.
#pragma once

#include <vector>

#include "core/json.h"
#include "schedulers/noise_level.h"

namespace impasto {

/// rescale_betas_zero_snr (Lin et al., 2023, algorithm 1), which takes the last alphas_cumprod to zero.
enum class ZeroSnr {
  ignored,  ///< the scheduler class has no such field
  exact,
  finite,  ///< to 2^-24 instead, so that sigma / alpha stays a number
};

/// Where scheduler classes differ in what they take when the config says nothing.
struct NoiseDefaults {
  ZeroSnr zero_snr = ZeroSnr::ignored;
  double beta_start = 0.0001, beta_end = 0.02;
  const char* beta_schedule = "linear";
};

/// Tables are float32, rounded where torch rounds.
class NoiseSchedule {
 public:
  /// Reads num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas and rescale_betas_zero_snr.
  /// Throws bad_file for values out of range, unsupported for a beta_schedule that is not known.
  explicit NoiseSchedule(const JsonObject& config, const NoiseDefaults& defaults = {});

  int size() const { return static_cast<int>(alphas_cumprod_.size()); }
  const std::vector<float>& betas() const { return betas_; }
  const std::vector<float>& alphas_cumprod() const { return alphas_cumprod_; }
  double alpha_cumprod(int timestep) const { return alphas_cumprod_[static_cast<std::size_t>(timestep)]; }
  NoiseLevel level(int timestep) const { return NoiseLevel::from_alpha_cumprod(alpha_cumprod(timestep)); }

 private:
  std::vector<float> betas_, alphas_cumprod_;
};

}  // namespace impasto
