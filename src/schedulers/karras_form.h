// What the schedulers after Karras et al. (2022, arXiv:2206.00364) share: Euler, Heun, LMS, KDPM2 and DPM-Solver SDE.
#pragma once

#include "schedulers/prediction.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace impasto {

/// Samples are clean + sigma * noise; the network sees them scaled to unit variance; the walk ends at sigma = 0.
class KarrasForm {
 public:
  KarrasForm(const JsonObject& config, const NoiseDefaults& defaults, const SigmaSpread& spread);

  /// The n levels above zero. Timesteps of spread levels lie between whole numbers. Throws invalid_argument for n out of range.
  SigmaPath path(int n) const;
  /// The same spread between two levels of the caller's; only where there is a spread.
  SigmaPath spread_path(double largest, double smallest, int n) const;

  const TrainingSigmas& training() const { return training_; }
  PredictionType prediction() const { return prediction_; }
  const SigmaSpread& spread() const { return spread_; }

  /// What unit noise is multiplied with at the start of a walk whose largest level is `sigma`.
  double init_noise_sigma(double sigma) const;
  Tensor predict_clean(const Tensor& output, double sigma, const Tensor& sample) const;

 private:
  NoiseSchedule schedule_;
  TrainingSigmas training_;
  TimestepOptions timesteps_;
  PredictionType prediction_;
  SigmaSpread spread_;
};

/// The defaults of Heun, KDPM2 and DPM-Solver SDE.
inline constexpr NoiseDefaults kLatentDefaults{.beta_start = 0.00085, .beta_end = 0.012};

/// Along the line from `sample` at level `sigma` to `clean` at level 0: where it is at level `next`.
Tensor euler_step(const Tensor& sample, const Tensor& clean, double sigma, double next);

/// A step down to `next` in two: along the line to `down`, then noise of deviation `up`, with down^2 + up^2 = next^2.
struct AncestralStep {
  double down, up;
  AncestralStep(double sigma, double next);
  /// Without noise.
  static AncestralStep straight(double next) { return AncestralStep(next); }

 private:
  explicit AncestralStep(double next) : down(next), up(0) {}
};

}  // namespace impasto
