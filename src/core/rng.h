// torch's CPU random numbers, so that a seed means the same picture here and there.
#pragma once

#include <cstdint>
#include <memory>

namespace impasto {

/// `torch.Generator().manual_seed(seed)` and the draws made from it, in order. Source: ATen's CPUGeneratorImpl and DistributionTemplates:
/// mt19937 (Matsumoto and Nishimura, 1998) and Box-Muller; 16 values at a time when a draw has at least 16, a pair at a time below.
class TorchGenerator {
 public:
  explicit TorchGenerator(std::uint64_t seed);
  ~TorchGenerator();
  TorchGenerator(TorchGenerator&&) noexcept;
  TorchGenerator& operator=(TorchGenerator&&) noexcept;

  /// `torch.randn(n)`, float32. Differs from torch by at most 2e-6 (its vectorised logarithm and cosine).
  void randn(float* out, std::int64_t n);
  /// `torch.randn(n, dtype=float64)`.
  void randn(double* out, std::int64_t n);
  /// `torch.randn(n, dtype=float16)` or bfloat16, before rounding: the same values as float32 when n is below 16 or a multiple of it.
  void randn_16bit(float* out, std::int64_t n);
  /// `torch.rand(n)`, float32 in [0, 1).
  void rand(float* out, std::int64_t n);
  /// `torch.randint(0, high, (n,))`, for high below 2^32.
  void randint(std::int64_t high, std::int64_t* out, std::int64_t n);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace impasto
