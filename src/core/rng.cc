#include "core/rng.h"

#include <cmath>
#include <numbers>
#include <optional>
#include <random>

#include "core/fail.h"

namespace impasto {

struct TorchGenerator::State {
  std::mt19937 engine;
  // The sine half of the last pair drawn one at a time; longer draws in between leave it where it is.
  std::optional<double> spare;

  // torch seeds its engine with the low 32 bits.
  explicit State(std::uint64_t seed) : engine(static_cast<std::uint32_t>(seed)) {}

  std::uint32_t next32() { return static_cast<std::uint32_t>(engine()); }

  std::uint64_t next64() {
    const std::uint64_t high = next32();
    return (high << 32) | next32();
  }

  // In [0, 1): as many random bits as the mantissa holds.
  template <typename T>
  T uniform() {
    if constexpr (sizeof(T) == sizeof(float)) {
      return static_cast<float>(next32() & ((1u << 24) - 1)) * 0x1p-24f;
    } else {
      return static_cast<double>(next64() & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
    }
  }

  // One value by Box-Muller in double precision, whatever the type asked for.
  double normal() {
    if (spare) {
      const double value = *spare;
      spare.reset();
      return value;
    }
    const double u1 = uniform<double>();
    const double u2 = uniform<double>();
    const double radius = std::sqrt(-2.0 * std::log1p(-u2));
    const double theta = 2.0 * std::numbers::pi * u1;
    spare = radius * std::sin(theta);
    return radius * std::cos(theta);
  }
};

namespace {

constexpr std::int64_t kBlock = 16;

// Box-Muller on a block: value j and value j + 8 share a pair of uniforms. All in T, since rounding the angle is part of the result.
template <typename T>
void uniform_to_normal(T* block) {
  constexpr std::int64_t half = kBlock / 2;
  for (std::int64_t j = 0; j < half; ++j) {
    const T radius = std::sqrt(T{-2} * std::log(T{1} - block[j]));
    const T theta = T{2} * std::numbers::pi_v<T> * block[j + half];
    block[j] = radius * std::cos(theta);
    block[j + half] = radius * std::sin(theta);
  }
}

// `drawn`: values drawn before the rest, n % 16 values at the end, is drawn as a block of its own.
template <typename T, typename State>
void draw_normal(State& state, T* out, std::int64_t n, std::int64_t drawn) {
  if (n < kBlock) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(state.normal());
    return;
  }
  for (std::int64_t i = 0; i < drawn; ++i) out[i] = state.template uniform<T>();
  for (std::int64_t i = 0; i + kBlock <= n; i += kBlock) uniform_to_normal(out + i);
  if (n % kBlock == 0) return;
  // The last block is drawn anew, over the end of the one before.
  T* last = out + n - kBlock;
  for (std::int64_t i = 0; i < kBlock; ++i) last[i] = state.template uniform<T>();
  uniform_to_normal(last);
}

}  // namespace

TorchGenerator::TorchGenerator(std::uint64_t seed) : state_(std::make_unique<State>(seed)) {}
TorchGenerator::~TorchGenerator() = default;
TorchGenerator::TorchGenerator(TorchGenerator&&) noexcept = default;
TorchGenerator& TorchGenerator::operator=(TorchGenerator&&) noexcept = default;

void TorchGenerator::randn(float* out, std::int64_t n) { draw_normal(*state_, out, n, n); }
void TorchGenerator::randn(double* out, std::int64_t n) { draw_normal(*state_, out, n, n); }
void TorchGenerator::randn_16bit(float* out, std::int64_t n) { draw_normal(*state_, out, n, n - n % kBlock); }

void TorchGenerator::rand(float* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = state_->uniform<float>();
}

void TorchGenerator::randint(std::int64_t high, std::int64_t* out, std::int64_t n) {
  IMPASTO_CHECK(high > 0 && high < (std::int64_t{1} << 32));
  // Past this range torch takes 64 bits, so that the remainder stays close to even.
  constexpr std::int64_t kWide = std::int64_t{1} << 28;
  const auto range = static_cast<std::uint64_t>(high);
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::int64_t>((high >= kWide ? state_->next64() : state_->next32()) % range);
}

}  // namespace impasto
