// What tests of the backends share: repeatable operands, both backends, every ISA in turn.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/reference_backend.h"
#include "core/threads.h"

namespace impasto::test {

/// Repeatable values, about normal: sums of uniform ones, scaled to that standard deviation.
inline std::vector<float> values(std::int64_t n, std::uint32_t seed, float spread = 1.0f) {
  std::vector<float> v(static_cast<std::size_t>(n));
  std::uint32_t state = seed * 2654435761u + 12345u;
  const auto draw = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-24f; };
  for (float& x : v) x = spread * 1.732f * (draw() + draw() - draw() - draw());
  return v;
}

inline TensorView view(std::vector<float>& v, const Shape& shape) { return {v.data(), DType::float32, shape}; }

/// NaN counts as larger than anything.
inline float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    largest = difference <= largest ? largest : difference;
  }
  return largest;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Threads and ISA go back to their defaults after each test.
class BackendTest : public ::testing::Test {
 protected:
  void TearDown() override {
    set_num_threads(0);
    set_isa(default_isa);
  }

  /// Calls f with each ISA chosen in turn; failures name it.
  template <typename F>
  void for_each_isa(const F& f) {
    for (std::string_view name : available_isas()) {
      SCOPED_TRACE(name);
      set_isa(name);
      f();
    }
  }

  const std::string_view default_isa = isa();
  CpuBackend cpu;
  std::unique_ptr<Backend> reference = make_reference_backend();
};

}  // namespace impasto::test
