// Random tensors on the host, and the comparison of the CPU backend with the reference backend, for the tests of products and convolutions.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "core/dtype.h"
#include "core/tensor_view.h"
#include "core/threads.h"

namespace impasto {

/// A tensor with its memory. Rows may lie further apart than they are long; the gaps hold kGap, so that a stray store shows.
class Sample {
 public:
  static constexpr float kGap = -77.0f;

  explicit Sample(Shape shape, DType dtype = DType::float32, std::int64_t gap = 0)
      : shape_(shape), dtype_(dtype), stride_(shape.back() + gap), bytes_(static_cast<std::size_t>(shape.rows() * stride_) * size_of(dtype)) {
    if (dtype == DType::float32) std::fill_n(reinterpret_cast<float*>(bytes_.data()), shape.rows() * stride_, kGap);
  }

  /// Values of normal distribution; weights in 16 bits get every bit of their mantissa.
  static Sample random(Shape shape, std::uint32_t seed, float scale = 1.0f, DType dtype = DType::float32, std::int64_t gap = 0) {
    Sample s(shape, dtype, gap);
    std::mt19937 bits(seed);
    std::normal_distribution<float> normal(0.0f, scale);
    for (std::int64_t r = 0; r < shape.rows(); ++r)
      for (std::int64_t i = 0; i < shape.back(); ++i) s.put(r * s.stride_ + i, normal(bits));
    return s;
  }

  /// The magnitudes, in float32: what a sum's rounding error is measured against.
  Sample magnitudes() const {
    Sample s(shape_);
    for (std::int64_t r = 0; r < shape_.rows(); ++r)
      for (std::int64_t i = 0; i < shape_.back(); ++i) s.view().row(r)[i] = std::fabs(get(r * stride_ + i));
    return s;
  }

  /// Every value rounded to the nearest number of 16 bits, in float32.
  Sample rounded_to(DType type) const {
    Sample s(shape_);
    for (std::int64_t r = 0; r < shape_.rows(); ++r)
      for (std::int64_t i = 0; i < shape_.back(); ++i) {
        const float x = get(r * stride_ + i);
        s.row(r)[i] = type == DType::float16 ? float16_to_float32(float32_to_float16(x)) : bfloat16_to_float32(float32_to_bfloat16(x));
      }
    return s;
  }

  TensorView view() const { return {const_cast<std::uint8_t*>(bytes_.data()), dtype_, shape_, stride_}; }
  operator TensorView() const { return view(); }
  float* row(std::int64_t r) const { return view().row(r); }
  bool gaps_untouched() const {
    for (std::int64_t r = 0; r < shape_.rows(); ++r)
      for (std::int64_t i = shape_.back(); i < stride_; ++i)
        if (get(r * stride_ + i) != kGap) return false;
    return true;
  }
  bool same_bits(const Sample& other) const { return bytes_ == other.bytes_; }
  /// Image k of [n, ...] as [1, ...].
  TensorView image(std::int64_t k) const {
    TensorView v = view();
    v.data = v.as<float>() + k * (shape_.rows() / shape_[0]) * stride_;
    v.shape[0] = 1;
    return v;
  }

 private:
  float get(std::int64_t i) const {
    if (dtype_ == DType::float32) return reinterpret_cast<const float*>(bytes_.data())[i];
    const std::uint16_t h = reinterpret_cast<const std::uint16_t*>(bytes_.data())[i];
    return dtype_ == DType::float16 ? float16_to_float32(h) : bfloat16_to_float32(h);
  }
  void put(std::int64_t i, float x) {
    if (dtype_ == DType::float32) {
      reinterpret_cast<float*>(bytes_.data())[i] = x;
      return;
    }
    std::uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    const std::uint32_t sign = bits >> 16 & 0x8000u, exponent = bits >> 23 & 0xFFu, mantissa = bits & 0x7FFFFFu;
    std::uint16_t h = static_cast<std::uint16_t>(bits >> 16);  // bfloat16, truncated
    if (dtype_ == DType::float16)
      h = static_cast<std::uint16_t>(exponent < 113 ? sign | mantissa >> 13 : sign | (exponent - 112) << 10 | mantissa >> 13);
    reinterpret_cast<std::uint16_t*>(bytes_.data())[i] = h;
  }

  Shape shape_;
  DType dtype_;
  std::int64_t stride_;
  std::vector<std::uint8_t> bytes_;
};

/// |actual - expected| <= factor * scale, element by element, where `scale` is what a sum's rounding error is relative to.
inline testing::AssertionResult within(const TensorView& actual, const TensorView& expected, const TensorView& scale, double factor) {
  for (std::int64_t r = 0; r < expected.rows(); ++r)
    for (std::int64_t i = 0; i < expected.shape.back(); ++i) {
      const double a = actual.row(r)[i], e = expected.row(r)[i], bound = factor * scale.row(r)[i];
      if (!(std::fabs(a - e) <= bound))
        return testing::AssertionFailure() << "row " << r << ", column " << i << ": " << a << ", expected " << e << " within " << bound;
    }
  return testing::AssertionSuccess();
}

/// Rounding error of a sum of k products, relative to the sum of their magnitudes: k roundings of 2^-24 each, independent, so they add up
/// as a random walk; six standard deviations and a few roundings more for bias, activation and residual.
inline double rounding_of_sum(std::int64_t k) { return (6 * std::sqrt(static_cast<double>(k)) + 16) * 0x1p-24; }

/// Runs its body on each ISA that the machine has.
class EachIsa : public testing::TestWithParam<std::string_view> {
 protected:
  void SetUp() override { set_isa(GetParam()); }
  void TearDown() override {
    set_isa(available_isas().back());
    set_num_threads(0);
  }
};

#define IMPASTO_ON_EACH_ISA(suite)                                          \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::ValuesIn(available_isas()), \
                           [](const testing::TestParamInfo<std::string_view>& info) { return std::string(info.param); })

}  // namespace impasto
