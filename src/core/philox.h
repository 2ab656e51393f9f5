// torch's CUDA random numbers, on the host.
#pragma once

#include <cstdint>

namespace impasto {

/// `torch.Generator("cuda").manual_seed(seed)` and the draws made from it, in order: Philox 4x32-10 (Salmon et al., 2011), value i of a draw from
/// subsequence i, and Box-Muller as cuRAND takes it. Draws of more values than the GPU has threads, some 200'000, are arranged by the GPU's size in
/// torch, and are here as on an endless one.
class PhiloxGenerator {
 public:
  explicit PhiloxGenerator(std::uint64_t seed) : seed_(seed) {}

  /// `torch.randn(n, device="cuda")`, float32. Differs from torch by a few roundings: a GPU's logarithm, sine and cosine are not the host's.
  void randn(float* out, std::int64_t n);

 private:
  std::uint64_t seed_;
  std::uint64_t draws_ = 0;
};

}  // namespace impasto
