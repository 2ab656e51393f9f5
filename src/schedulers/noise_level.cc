#include "schedulers/noise_level.h"

#include <cmath>

#include "ops/ops.h"

namespace impasto {

double NoiseLevel::lambda() const { return std::log(alpha) - std::log(sigma); }

NoiseLevel NoiseLevel::from_alpha_cumprod(double alpha_cumprod) { return {std::sqrt(alpha_cumprod), std::sqrt(1 - alpha_cumprod)}; }

NoiseLevel NoiseLevel::from_ratio(double ratio) {
  const double alpha = 1 / std::sqrt(ratio * ratio + 1);
  return {alpha, ratio * alpha};
}

NoiseLevel NoiseLevel::exploding(double ratio) {
  NoiseLevel level = from_ratio(ratio);
  level.scale = level.alpha;
  return level;
}

Tensor add_noise(const NoiseLevel& level, const Tensor& clean, const Tensor& noise) {
  return ops::combine({{level.alpha / level.scale, clean}, {level.sigma / level.scale, noise}});
}

Tensor scale_to_unit(const NoiseLevel& level, const Tensor& sample) { return level.scale == 1 ? sample : ops::combine({{level.scale, sample}}); }

}  // namespace impasto
