#include "backend/cpu/winograd_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/winograd_kernels.cc"
#include "backend/cpu/isa.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/float16-inl.h"
#include "backend/cpu/stored-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr D d;
constexpr int kLanes = hn::MaxLanes(d);
constexpr int kPanelRow = 2 * kLanes;  // floats, as GemmKernels::panel_row
constexpr int kPatch = WinogradKernels::kPatch, kTile = WinogradKernels::kTile, kPoints = WinogradKernels::kPoints;

HWY_INLINE V times(float a, V x) { return hn::Mul(hn::Set(d, a), x); }
HWY_INLINE V plus(V x, float a, V y) { return hn::MulAdd(hn::Set(d, a), y, x); }

// Row i of G holds 1, p, p^2 for point p, divided by the product of p's distances to the other points; infinity's row picks the last.
HWY_INLINE void apply_g(V g0, V g1, V g2, V (&u)[6]) {
  const V even = hn::Add(g0, g2);
  u[0] = g0;
  u[1] = times(1.0f / 3, hn::Add(even, g1));
  u[2] = times(-1.0f / 3, hn::Sub(even, g1));
  u[3] = plus(plus(times(-16.0f / 15, g0), -8.0f / 15, g1), -4.0f / 15, g2);
  u[4] = plus(plus(times(1.0f / 15, g0), -2.0f / 15, g1), 4.0f / 15, g2);
  u[5] = g2;
}

// Row i of B^T holds the coefficients of the product of (x - q) over the other points q; infinity's row those of the product of all:
//    1 -3/2  -2  3/2  1  0
//    0  -1  1/2  5/2  1  0
//    0   1 -5/2  1/2  1  0
//    0  -2   -1   2   1  0
//    0 1/2   -1 -1/2  1  0
//    0   1 -3/2  -2  3/2 1
HWY_INLINE void apply_bt(const V (&x)[6], V (&v)[6]) {
  const V t = hn::Sub(x[4], x[2]), s = hn::Sub(x[3], x[1]);
  const V even = plus(t, 1.5f, x[3]), odd = plus(s, 1.5f, x[2]);
  v[0] = plus(hn::Add(hn::Sub(x[0], x[2]), t), 1.5f, s);
  v[1] = hn::Add(even, odd);
  v[2] = hn::Sub(even, odd);
  v[3] = plus(t, 2.0f, s);
  v[4] = plus(t, -0.5f, s);
  v[5] = plus(hn::Sub(hn::Sub(x[5], x[3]), s), 1.5f, t);
}

// Column i of A^T holds 1, p, p^2, p^3; infinity adds to the last.
HWY_INLINE void apply_at(const V (&m)[6], V (&y)[4]) {
  const V sum = hn::Add(m[1], m[2]), difference = hn::Sub(m[1], m[2]);
  y[0] = hn::Add(hn::Add(m[0], sum), hn::Add(m[3], m[4]));
  y[1] = plus(plus(difference, 0.5f, m[3]), -2.0f, m[4]);
  y[2] = plus(plus(sum, 0.25f, m[3]), 4.0f, m[4]);
  y[3] = hn::Add(plus(plus(difference, 0.125f, m[3]), -8.0f, m[4]), m[5]);
}

/// What is multiplied is float32.
struct Factors32 {
  static constexpr int kWidth = kPanelRow;  // as GemmKernels::width
  static constexpr int kFloats = kLanes;    // that a vector of U takes
  static HWY_INLINE void store_u(V x, float* u) { hn::StoreU(x, d, u); }
  static HWY_INLINE void store_v(V x, float* v) { hn::StoreU(x, d, v); }
};

#if HWY_TARGET == HWY_AVX3
/// What is multiplied is float16 (see Float16): U narrowed, V in words; the transforms are float32's.
struct Factors16 {
  static constexpr int kWidth = 2 * kPanelRow;
  static constexpr int kFloats = kLanes / 2;
  static HWY_INLINE void store_u(V x, float* u) { Float16::store_half(x, u); }
  static HWY_INLINE void store_v(V x, float* v) { hn::StoreU(Float16::doubled(x), d, v); }
};
#endif

template <class Factors>
HWY_INLINE void transform_filter(const V* g, float* HWY_RESTRICT u, std::ptrdiff_t point_stride) {
  V half[3][kPatch];
  for (int x = 0; x < 3; ++x) apply_g(g[x], g[3 + x], g[6 + x], half[x]);
  for (int i = 0; i < kPatch; ++i) {
    V row[kPatch];
    apply_g(half[0][i], half[1][i], half[2][i], row);
    for (int j = 0; j < kPatch; ++j) Factors::store_u(row[j], u + (i * kPatch + j) * point_stride);
  }
}

/// Channel by channel, for the last channels of a row and for the last rows.
template <class Factors, class Stored>
void transform_filters_slowly(const StoredRows& w, std::int64_t first, std::int64_t channel, std::int64_t channels, float* u,
                              std::ptrdiff_t point_stride) {
  const auto* stored = static_cast<const typename Stored::Lane*>(w.data);
  for (std::int64_t c = 0; c < channels; ++c, u += kPanelRow) {
    alignas(64) float lanes[9][kLanes];
    for (int i = 0; i < kLanes; ++i)
      for (int t = 0; t < 9; ++t) lanes[t][i] = Stored::widen(stored[std::min(first + i, w.rows - 1) * w.columns + (channel + c) * 9 + t]);
    V g[9];
    for (int t = 0; t < 9; ++t) g[t] = hn::Load(d, lanes[t]);
    transform_filter<Factors>(g, u, point_stride);
  }
}

template <class Factors, class Stored>
void transform_filters(const StoredRows& w, std::int64_t first, std::int64_t channel, std::int64_t channels, float* u, std::ptrdiff_t point_stride) {
  std::int64_t c = 0;
  if (first + kLanes <= w.rows) {
    const auto* rows = static_cast<const typename Stored::Lane*>(w.data) + first * w.columns + channel * 9;
    for (; c + 4 <= channels; c += 4) {
      V g[36];  // nine taps of four channels
      for (int j = 0; j < 36; j += 4) transpose_four_columns<Stored>(d, rows + c * 9 + j, w.columns, g[j], g[j + 1], g[j + 2], g[j + 3]);
      for (int i = 0; i < 4; ++i) transform_filter<Factors>(g + 9 * i, u + (c + i) * kPanelRow, point_stride);
    }
  }
  transform_filters_slowly<Factors, Stored>(w, first, channel + c, channels - c, u + c * kPanelRow, point_stride);
}

template <class Factors>
void weights(const StoredRows& w, std::int64_t first, std::int64_t channel, std::int64_t channels, float* u, std::ptrdiff_t point_stride) {
  for (int i = 0; i < Factors::kWidth; i += kLanes, first += kLanes, u += Factors::kFloats) {
    switch (w.dtype) {
      case DType::float16: transform_filters<Factors, StoredFloat16>(w, first, channel, channels, u, point_stride); break;
      case DType::bfloat16: transform_filters<Factors, StoredBFloat16>(w, first, channel, channels, u, point_stride); break;
      default: transform_filters<Factors, StoredFloat32>(w, first, channel, channels, u, point_stride);
    }
  }
}

template <class Factors>
void input(const float* HWY_RESTRICT from, std::ptrdiff_t row_stride, std::ptrdiff_t pixel_stride, std::int64_t channels, float* HWY_RESTRICT v,
           std::ptrdiff_t point_stride) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    V half[kPatch][kPatch];
    for (int x = 0; x < kPatch; ++x) {
      V column[kPatch];
      for (int y = 0; y < kPatch; ++y) column[y] = hn::LoadU(d, from + y * row_stride + x * pixel_stride + c);
      apply_bt(column, half[x]);
    }
    for (int i = 0; i < kPatch; ++i) {
      V row[kPatch], out[kPatch];
      for (int x = 0; x < kPatch; ++x) row[x] = half[x][i];
      apply_bt(row, out);
      for (int j = 0; j < kPatch; ++j) Factors::store_v(out[j], v + (i * kPatch + j) * point_stride + c);
    }
  }
}

template <class Factors>
void output(const float* HWY_RESTRICT m, std::ptrdiff_t point_stride, float* HWY_RESTRICT y) {
  for (int c = 0; c < Factors::kWidth; c += kLanes) {
    V half[kPatch][kTile];
    for (int x = 0; x < kPatch; ++x) {
      V column[kPatch];
      for (int i = 0; i < kPatch; ++i) column[i] = hn::LoadU(d, m + (i * kPatch + x) * point_stride + c);
      apply_at(column, half[x]);
    }
    for (int i = 0; i < kTile; ++i) {
      V row[kPatch], out[kTile];
      for (int x = 0; x < kPatch; ++x) row[x] = half[x][i];
      apply_at(row, out);
      for (int j = 0; j < kTile; ++j) hn::StoreU(out[j], d, y + (i * kTile + j) * Factors::kWidth + c);
    }
  }
}

template <class Factors>
const WinogradKernels& kernels_with() {
  static const WinogradKernels kernels{weights<Factors>, input<Factors>, output<Factors>};
  return kernels;
}

}  // namespace

const WinogradKernels& winograd_kernels_of_target([[maybe_unused]] bool float16) {
#if HWY_TARGET == HWY_AVX3
  if (float16) return kernels_with<Factors16>();
#endif
  return kernels_with<Factors32>();
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {

HWY_EXPORT(winograd_kernels_of_target);

const WinogradKernels& winograd_kernels(DType arithmetic) {
  return IMPASTO_DISPATCH(winograd_kernels_of_target)(arithmetic == DType::float16 && has_float16_instructions());
}

}  // namespace impasto
#endif
