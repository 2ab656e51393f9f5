// Attention whose factors, scores and powers are float16 (AVX512-FP16); the running sum and O are float32. Included once per target, after
// hwy/highway.h (see isa.h); empty for all targets but AVX-512. attention.cc says how it all goes together.
//
// A score is a sum of float16 already, so that keeping it in more bits would add none. Powers below 2^-25 are zero.
#if defined(IMPASTO_ATTENTION_FLOAT16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_ATTENTION_FLOAT16_INL_H_
#undef IMPASTO_ATTENTION_FLOAT16_INL_H_
#else
#define IMPASTO_ATTENTION_FLOAT16_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

#include "backend/cpu/attention-inl.h"
#include "backend/cpu/float16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_AVX3

using H = Float16::Vector;

/// Floats that a vector takes in memory, as float16 and widened.
constexpr std::int64_t kNarrow = Float16::kFloats, kWide = Float16::kOutputs;

/// 2^x for x <= 0 within 5.8e-4 relative, 2.1e-4 RMS; NaN stays NaN.
/// x = n + f, |f| <= 1/2; 2^f by a minimax polynomial whose own error is 1e-4.
HWY_INLINE H exp2(H x) {
  const H n = Float16::nearest_integer(x), f = Float16::subtract(x, n);
  H p = Float16::multiply_add(Float16::set(0x1.c2cp-5f), f, Float16::set(0x1.fp-3f));
  p = Float16::multiply_add(p, f, Float16::set(0x1.63p-1f));
  p = Float16::multiply_add(p, f, Float16::set(1.0f));
  return Float16::scale_by_power(p, n);
}

void pack_values(Float16, const AttentionHead& h, const Keys& keys) {
  const std::int64_t whole = h.d / kRows * kRows;
  if (whole < h.d) std::fill_n(keys.v + whole * keys.count, kRows * keys.count, 0.0f);
  for (std::int64_t j = 0; j < keys.count; ++j) {
    narrow_row<Float16>(h.v + (keys.first + j) * h.v_stride, h.d, keys.scratch);
    for (std::int64_t i = 0; i < h.d; i += kRows)
      std::copy_n(keys.scratch + i, std::min<std::int64_t>(kRows, h.d - i), keys.v + i * keys.count + j * kRows);
  }
}

/// By way of O's memory, which is free until the first block of keys.
void pack_queries(Float16, const AttentionHead& h, const Queries& s) {
  const D d;
  if (s.count < s.width) std::fill_n(s.o, h.d * s.width, 0.0f);
  transpose(h.q + s.first * h.q_stride, h.q_stride, s.count, h.d, Scaled{h.scale * 1.44269504f}, s.o, s.width);
  for (std::int64_t i = 0; i < h.d * s.width; i += kWide)
    Float16::store(Float16::join(hn::LoadU(d, s.o + i), hn::LoadU(d, s.o + i + kNarrow)), s.q + i / 2);
  for (std::int64_t l = 0; l < s.width; l += kWide) Float16::store(Float16::minus_infinity(), s.peak + l / 2);
  std::fill_n(s.sum, s.width, 0.0f);
}

/// scores[j][i] = k[j] . q[i], minus infinity where the key comes after the query. Sums over more than a chain are added up in float16.
template <int kV>
HWY_INLINE void score(const AttentionHead& h, const Queries& s, const Keys& keys) {
  const std::int64_t row = kV * kNarrow;  // of scores and queries, in floats
  for (std::int64_t j = 0; j < keys.count; j += kRows) {
    float* const scores = keys.scores + j * row;
    for (std::int64_t i = 0; i < h.d; i += Float16::kChain) {
      H sum[kRows][kV];
      each_place<kV>([&](int r, int v) HWY_ATTR { sum[r][v] = Float16::zero(); });
      multiply_add<Float16, kV>(keys.k + j * h.d + i * kRows, s.q + i * row, std::min<std::int64_t>(Float16::kChain, h.d - i), sum);
      each_place<kV>([&](int r, int v) HWY_ATTR {
        float* const to = scores + r * row + v * kNarrow;
        Float16::store(i == 0 ? sum[r][v] : Float16::add(Float16::load(to), sum[r][v]), to);
      });
    }
  }
  if (!hides_keys(h, s, keys)) return;
  for (std::int64_t j = 0; j < keys.count; ++j) {
    const std::int64_t hidden = std::clamp<std::int64_t>(keys.first + j - s.first, 0, s.width);  // queries before the key
    std::fill_n(reinterpret_cast<std::uint16_t*>(keys.scores + j * row), hidden, std::uint16_t{0xFC00});
  }
}

/// Scores to powers 2^(score - m); maximum and sum move on. `keep`: what earlier sums are to be multiplied by, in two float32 vectors each.
template <int kV>
HWY_INLINE void soften(D d, const Queries& s, const Keys& keys, V (&keep)[kV][2]) {
  const std::int64_t row = kV * kNarrow;
  for (int v = 0; v < kV; ++v) {
    float* const scores = keys.scores + v * kNarrow;
    float* const peak_memory = s.peak + v * kNarrow;
    H peak = Float16::load(peak_memory);
    const V before[2] = {Float16::first_half(peak_memory), Float16::second_half(peak_memory)};
    for (std::int64_t j = 0; j < keys.count; ++j) peak = Float16::max(peak, Float16::load(scores + j * row));
    Float16::store(peak, peak_memory);
    const V after[2] = {Float16::first_half(peak_memory), Float16::second_half(peak_memory)};
    float* const sum_memory = s.sum + v * kWide;
    V sum[2];
    for (int i = 0; i < 2; ++i) {
      keep[v][i] = exp2(d, hn::Sub(before[i], after[i]));
      sum[i] = hn::Mul(hn::LoadU(d, sum_memory + i * kNarrow), keep[v][i]);
    }
    for (std::int64_t j = 0; j < keys.count; j += Float16::kChain) {
      H part = Float16::zero();
      for (std::int64_t k = j; k < std::min(keys.count, j + Float16::kChain); ++k) {
        const H power = exp2(Float16::subtract(Float16::load(scores + k * row), peak));
        part = Float16::add(part, power);
        Float16::store(power, scores + k * row);
      }
      alignas(64) float halves[kNarrow];
      Float16::store(part, halves);
      sum[0] = hn::Add(sum[0], Float16::first_half(halves));
      sum[1] = hn::Add(sum[1], Float16::second_half(halves));
    }
    for (int i = 0; i < 2; ++i) hn::StoreU(sum[i], d, sum_memory + i * kNarrow);
  }
}

/// o = o * keep + v^T p
template <int kV>
HWY_INLINE void gather_values(D d, const AttentionHead& h, const Queries& s, const Keys& keys, const V (&keep)[kV][2]) {
  for (std::int64_t i = 0; i < h.d; i += kRows) {
    for (std::int64_t j = 0; j < keys.count; j += Float16::kChain) {
      H sum[kRows][kV];
      each_place<kV>([&](int r, int v) HWY_ATTR { sum[r][v] = Float16::zero(); });
      multiply_add<Float16, kV>(keys.v + i * keys.count + j * kRows, keys.scores + j * kV * kNarrow,
                                std::min<std::int64_t>(Float16::kChain, keys.count - j), sum);
      alignas(64) float halves[kRows * kV][kNarrow];
      each_place<kV>([&](int r, int v) HWY_ATTR { Float16::store(sum[r][v], halves[r * kV + v]); });
      float* o = s.o + i * s.width;
      for (int r = 0; r < kRows; ++r) {
        HWY_UNROLL(8)
        for (int v = 0; v < kV; ++v, o += kWide) {
          V first = Float16::first_half(halves[r * kV + v]), second = Float16::second_half(halves[r * kV + v]);
          if (j != 0) {
            first = hn::Add(hn::LoadU(d, o), first), second = hn::Add(hn::LoadU(d, o + kNarrow), second);
          } else if (keys.first != 0) {
            first = hn::MulAdd(hn::LoadU(d, o), keep[v][0], first), second = hn::MulAdd(hn::LoadU(d, o + kNarrow), keep[v][1], second);
          }
          hn::StoreU(first, d, o);
          hn::StoreU(second, d, o + kNarrow);
        }
      }
    }
  }
}

template <int kV>
void attend(Float16, const AttentionHead& h, const Queries& s, const Keys& keys) {
  const D d;
  V keep[kV][2];
  score<kV>(h, s, keys);
  soften<kV>(d, s, keys, keep);
  gather_values<kV>(d, h, s, keys, keep);
}

#endif

}  // namespace
}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
