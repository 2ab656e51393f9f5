#include "core/philox.h"

#include <array>
#include <cmath>
#include <numbers>

namespace impasto {
namespace {

using Counter = std::array<std::uint32_t, 4>;

/// Ten rounds of the keyed bijection.
Counter philox(Counter c, std::uint32_t key_0, std::uint32_t key_1) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = kMultiplier0 * c[0], b = kMultiplier1 * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ key_0, static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ key_1,
         static_cast<std::uint32_t>(a)};
    key_0 += kWeyl0, key_1 += kWeyl1;
  }
  return c;
}

/// The first of the two normal numbers that cuRAND makes of two words.
float normal(std::uint32_t x, std::uint32_t y) {
  constexpr float kUnit = 0x1p-32f, kTurn = static_cast<float>(2 * std::numbers::pi * 0x1p-32);
  const float u = static_cast<float>(x) * kUnit + kUnit / 2, v = static_cast<float>(y) * kTurn + kTurn / 2;
  return std::sqrt(-2.0f * std::log(u)) * std::sin(v);
}

}  // namespace

void PhiloxGenerator::randn(float* out, std::int64_t n) {
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  for (std::int64_t i = 0; i < n; ++i) {
    const auto subsequence = static_cast<std::uint64_t>(i);
    const Counter words = philox({low(draws_), low(draws_ >> 32), low(subsequence), low(subsequence >> 32)}, low(seed_), low(seed_ >> 32));
    out[i] = normal(words[0], words[1]);
  }
  ++draws_;
}

}  // namespace impasto
