#include "pipelines/noise.h"

#include <random>

#include "ops/ops.h"

namespace impasto {

LatentNoise::LatentNoise(Backend& backend, const std::vector<std::uint64_t>& seeds, bool shared) : backend_(backend) {
  for (const std::uint64_t seed : seeds) {
    generators_.emplace_back(seed);
    if (shared) break;
  }
}

Tensor LatentNoise::draw(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  const std::int64_t each = shape.count() / static_cast<std::int64_t>(generators_.size());
  float* next = values.data();
  for (TorchGenerator& generator : generators_) {
    generator.randn(next, each);
    next += each;
  }
  return ops::nchw_to_nhwc(Tensor::from_host(backend_, {shape[0], shape[3], shape[1], shape[2]}, values.data()));
}

std::uint64_t random_seed() { return std::random_device{}(); }

}  // namespace impasto
