// The random numbers of one call.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/philox.h"
#include "core/rng.h"
#include "impasto/pipeline.h"
#include "ops/tensor.h"

namespace impasto {

using TorchOrPhilox = std::variant<TorchGenerator, PhiloxGenerator>;
TorchOrPhilox make_generator(std::uint64_t seed, Rng rng);

/// Standard normal noise for a batch of latents: drawn in NCHW order, as torch does for diffusers, and handed out as NHWC.
class LatentNoise {
 public:
  /// One stream per image, or, `shared`, the first seed's stream for all.
  LatentNoise(Backend& backend, const std::vector<std::uint64_t>& seeds, bool shared, Rng rng = Rng::cpu);

  /// How many streams there are: as many as seeds, or 1.
  std::int64_t streams() const { return static_cast<std::int64_t>(generators_.size()); }
  /// shape [n, h, w, c], n a multiple of streams().
  Tensor draw(const Shape& shape);

 private:
  Backend& backend_;
  std::vector<TorchOrPhilox> generators_;
};

/// `noise` led towards `other` (both [n, h, w, c]) by `share`, 0..1: spherical interpolation (Shoemake, 1985), for each image, channel and column
/// over its rows, as A1111 takes it for variations.
Tensor spherical_mix(const Tensor& noise, const Tensor& other, float share);

/// A seed from the system, below 2^32 so that every tool can hold it.
std::uint64_t random_seed();

}  // namespace impasto
