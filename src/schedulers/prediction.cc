#include "schedulers/prediction.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/fail.h"
#include "ops/ops.h"

namespace impasto {

PredictionType read_prediction_type(const JsonObject& config) {
  const std::string name = config.text("prediction_type", "epsilon");
  if (name == "epsilon") return PredictionType::epsilon;
  if (name == "v_prediction") return PredictionType::v_prediction;
  if (name == "sample") return PredictionType::sample;
  fail(ErrorKind::unsupported, config.where(), ": prediction_type \"", name, "\" is not known; there are epsilon, v_prediction, sample");
}

Tensor predict_clean(PredictionType type, const NoiseLevel& level, const Tensor& output, const Tensor& sample) {
  switch (type) {
    case PredictionType::epsilon: return ops::combine({{level.scale / level.alpha, sample}, {-level.sigma / level.alpha, output}});
    case PredictionType::v_prediction: return ops::combine({{level.alpha * level.scale, sample}, {-level.sigma, output}});
    case PredictionType::sample: break;
  }
  return output;
}

Tensor predict_noise(PredictionType type, const NoiseLevel& level, const Tensor& output, const Tensor& sample) {
  switch (type) {
    case PredictionType::epsilon: break;
    case PredictionType::v_prediction: return ops::combine({{level.alpha, output}, {level.sigma * level.scale, sample}});
    case PredictionType::sample: return ops::combine({{level.scale / level.sigma, sample}, {-level.alpha / level.sigma, output}});
  }
  return output;
}

namespace {

double positive(const JsonObject& config, const char* key, double fallback, double most) {
  const double value = config.number(key, fallback);
  if (!(value > 0 && value <= most))
    fail(ErrorKind::bad_file, config.where(), ": field ", key, " is ", value, ", expected a number above 0, at most ", most);
  return value;
}

// torch.quantile: between neighbours in order, linearly.
float quantile(std::vector<float> values, double q) {
  std::sort(values.begin(), values.end());
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + static_cast<float>(rank - static_cast<double>(below)) * (values[above] - values[below]);
}

// Clips one image at its own quantile (at least 1, at most max_value) and divides by that.
void threshold_image(float* image, std::int64_t n, double ratio, double max_value) {
  std::vector<float> magnitudes(image, image + n);
  for (float& value : magnitudes) value = std::abs(value);
  const float limit = std::min(std::max(quantile(std::move(magnitudes), ratio), 1.f), static_cast<float>(max_value));
  for (std::int64_t i = 0; i < n; ++i) image[i] = std::min(std::max(image[i], -limit), limit) / limit;
}

}  // namespace

CleanLimits CleanLimits::clipping(const JsonObject& config, bool clip_by_default) {
  CleanLimits limits;
  limits.clip_ = config.boolean("clip_sample", clip_by_default);
  limits.clip_range_ = positive(config, "clip_sample_range", 1, 1e6);
  return limits;
}

CleanLimits CleanLimits::thresholding(const JsonObject& config) {
  CleanLimits limits;
  limits.threshold_ = config.boolean("thresholding", false);
  limits.ratio_ = positive(config, "dynamic_thresholding_ratio", 0.995, 1);
  limits.max_value_ = positive(config, "sample_max_value", 1, 1e6);
  return limits;
}

CleanLimits CleanLimits::any(const JsonObject& config, bool clip_by_default) {
  CleanLimits limits = thresholding(config);
  const CleanLimits clip = clipping(config, clip_by_default);
  limits.clip_ = clip.clip_;
  limits.clip_range_ = clip.clip_range_;
  return limits;
}

// Thresholding sorts, which backends do not offer: it goes by way of the host, as it is rare and latents are small.
Tensor CleanLimits::apply(const Tensor& clean) const {
  if (!threshold_) return clip_ ? ops::clamp(clean, static_cast<float>(-clip_range_), static_cast<float>(clip_range_)) : clean;
  std::vector<float> values = clean.to_host();
  const std::int64_t images = clean.dim(0), n = images == 0 ? 0 : clean.shape().count() / images;
  if (n > 0)
    for (std::int64_t k = 0; k < images; ++k) threshold_image(values.data() + k * n, n, ratio_, max_value_);
  return Tensor::from_host(clean.backend(), clean.shape(), values.data());
}

}  // namespace impasto
