#include "pipelines/noise.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "ops/ops.h"

namespace impasto {

const char* to_string(Rng rng) { return rng == Rng::cuda ? "cuda" : "cpu"; }

TorchOrPhilox make_generator(std::uint64_t seed, Rng rng) {
  if (rng == Rng::cuda) return PhiloxGenerator(seed);
  return TorchGenerator(seed);
}

LatentNoise::LatentNoise(Backend& backend, const std::vector<std::uint64_t>& seeds, bool shared, Rng rng) : backend_(backend) {
  for (const std::uint64_t seed : seeds) {
    generators_.push_back(make_generator(seed, rng));
    if (shared) break;
  }
}

Tensor LatentNoise::draw(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  const std::int64_t each = shape.count() / static_cast<std::int64_t>(generators_.size());
  float* next = values.data();
  for (TorchOrPhilox& generator : generators_) {
    std::visit([&](auto& g) { g.randn(next, each); }, generator);
    next += each;
  }
  return ops::nchw_to_nhwc(Tensor::from_host(backend_, {shape[0], shape[3], shape[1], shape[2]}, values.data()));
}

Tensor spherical_mix(const Tensor& noise, const Tensor& other, float share) {
  const std::vector<float> low = noise.to_host(), high = other.to_host();
  const auto rows = static_cast<std::size_t>(noise.dim(1)), across = static_cast<std::size_t>(noise.dim(2) * noise.dim(3)), each = rows * across;
  std::vector<float> mixed(low.size());
  for (std::size_t image = 0; image < low.size(); image += each) {
    for (std::size_t column = image; column < image + across; ++column) {
      double low_square = 0, high_square = 0, product = 0;
      for (std::size_t i = column; i < image + each; i += across) {
        low_square += static_cast<double>(low[i]) * low[i];
        high_square += static_cast<double>(high[i]) * high[i];
        product += static_cast<double>(low[i]) * high[i];
      }
      const double angle = std::acos(std::clamp(product / std::sqrt(low_square * high_square), -1.0, 1.0)), sine = std::sin(angle);
      // Columns in one line have no circle between them (a single row has only such).
      const bool straight = !(sine > 1e-6);
      const double kept = straight ? 1 - share : std::sin((1 - share) * angle) / sine, taken = straight ? share : std::sin(share * angle) / sine;
      for (std::size_t i = column; i < image + each; i += across) mixed[i] = static_cast<float>(kept * low[i] + taken * high[i]);
    }
  }
  return Tensor::from_host(noise.backend(), noise.shape(), mixed.data());
}

std::uint64_t random_seed() { return std::random_device{}(); }

}  // namespace impasto
