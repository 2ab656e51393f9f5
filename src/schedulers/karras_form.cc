#include "schedulers/karras_form.h"

#include <algorithm>
#include <cmath>

#include "ops/ops.h"

namespace impasto {

KarrasForm::KarrasForm(const JsonObject& config, const NoiseDefaults& defaults, const SigmaSpread& spread)
    : schedule_(config, defaults),
      training_(schedule_),
      timesteps_(config, TimestepSpacing::linspace, schedule_.size()),
      prediction_(read_prediction_type(config)),
      spread_(spread) {}

SigmaPath KarrasForm::path(int n) const {
  check_num_steps(n, timesteps_.num_train);
  SigmaPath path;
  path.timesteps = spaced_timesteps(timesteps_, n);
  round_to_float32(path.timesteps);
  path.sigmas = training_.at(path.timesteps);
  return spread_ ? spread_path(path.sigmas.front(), path.sigmas.back(), n) : path;
}

SigmaPath KarrasForm::spread_path(double largest, double smallest, int n) const {
  SigmaPath path;
  path.sigmas = spread_.between(largest, smallest, n);
  path.timesteps = training_.timesteps(path.sigmas);
  return path;
}

double KarrasForm::init_noise_sigma(double sigma) const {
  return timesteps_.spacing == TimestepSpacing::leading ? std::sqrt(sigma * sigma + 1) : sigma;
}

Tensor KarrasForm::predict_clean(const Tensor& output, double sigma, const Tensor& sample) const {
  return impasto::predict_clean(prediction_, NoiseLevel::exploding(sigma), output, sample);
}

Tensor euler_step(const Tensor& sample, const Tensor& clean, double sigma, double next) {
  return ops::combine({{next / sigma, sample}, {1 - next / sigma, clean}});
}

AncestralStep::AncestralStep(double sigma, double next)
    : down(next * next / sigma), up(std::sqrt(std::max(next * next * (sigma * sigma - next * next), 0.0)) / sigma) {}

}  // namespace impasto
