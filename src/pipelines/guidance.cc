#include "pipelines/guidance.h"

#include <cmath>

#include "ops/ops.h"

namespace impasto {

std::vector<float> guidance_embedding(float scale, std::int64_t channels) {
  const std::int64_t half = channels / 2;
  std::vector<float> values(static_cast<std::size_t>(channels), 0.0f);  // the last of an odd number stays 0
  const float w = (scale - 1) * 1000;
  for (std::int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(-std::log(10000.0) / static_cast<double>(half - 1)) * static_cast<float>(i);
    const auto angle = static_cast<double>(w * static_cast<float>(std::exp(static_cast<double>(exponent))));
    values[static_cast<std::size_t>(i)] = static_cast<float>(std::sin(angle));
    values[static_cast<std::size_t>(half + i)] = static_cast<float>(std::cos(angle));
  }
  return values;
}

Tensor guide_by_picture(const Tensor& without, const Tensor& both, float scale, float picture_scale) {
  const std::int64_t n = both.dim(0) / 2;
  const Tensor negative = both.slice(0, n), positive = both.slice(n, n);
  const Tensor text = ops::combine({{1, positive}, {-1, negative}}), picture = ops::combine({{1, negative}, {-1, without}});
  return ops::combine({{1, without}, {scale, text}, {picture_scale, picture}});
}

Tensor guide(const Tensor& both, float scale, float rescale) {
  const std::int64_t n = both.dim(0) / 2;
  const Tensor negative = both.slice(0, n), positive = both.slice(n, n);
  const Tensor difference = ops::combine({{1, positive}, {-1, negative}});
  const Tensor guided = ops::combine({{1, negative}, {scale, difference}});
  if (rescale <= 0) return guided;
  const std::vector<float> wanted = ops::standard_deviation(positive), found = ops::standard_deviation(guided);
  std::vector<float> factors;
  for (std::size_t i = 0; i < wanted.size(); ++i) factors.push_back(rescale * (wanted[i] / found[i]) + (1 - rescale));
  return ops::scale_images(guided, factors);
}

}  // namespace impasto
