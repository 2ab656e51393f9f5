// How much of a sample is noise.
#pragma once

#include "ops/tensor.h"

namespace impasto {

/// How a noisy sample is made up:  scale * sample = alpha * clean + sigma * noise,  with alpha^2 + sigma^2 = 1.
/// scale is 1 where samples keep unit variance (DDIM, DPM-Solver) and alpha where they are clean + ratio * noise (Euler, Heun).
struct NoiseLevel {
  double alpha = 1, sigma = 0, scale = 1;

  double ratio() const { return sigma / alpha; }
  /// Half the logarithm of the signal-to-noise ratio; infinite without noise.
  double lambda() const;

  static NoiseLevel from_alpha_cumprod(double alpha_cumprod);
  /// The level at which sigma / alpha is `ratio`, for samples of unit variance.
  static NoiseLevel from_ratio(double ratio);
  /// The same for samples that are clean + ratio * noise.
  static NoiseLevel exploding(double ratio);
};

/// (alpha * clean + sigma * noise) / scale: a sample of this level.
Tensor add_noise(const NoiseLevel& level, const Tensor& clean, const Tensor& noise);

/// scale * sample, which has unit variance, as networks want it.
Tensor scale_to_unit(const NoiseLevel& level, const Tensor& sample);

}  // namespace impasto
