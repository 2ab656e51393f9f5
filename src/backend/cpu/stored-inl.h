// Stored weights have one row per output; the kernels want one vector per input, outputs in its lanes. Included once per target.
#if defined(IMPASTO_STORED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_STORED_INL_H_
#undef IMPASTO_STORED_INL_H_
#else
#define IMPASTO_STORED_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Element types of stored weights. float16 and bfloat16 share their C++ type, so a tag tells them apart.
struct StoredFloat32 {
  using Lane = float;
  static float widen(float x) { return x; }
};
struct StoredFloat16 {
  using Lane = std::uint16_t;
  using HwyLane = hwy::float16_t;
  static float widen(std::uint16_t x) { return float16_to_float32(x); }
};
struct StoredBFloat16 {
  using Lane = std::uint16_t;
  using HwyLane = hwy::bfloat16_t;
  static float widen(std::uint16_t x) { return bfloat16_to_float32(x); }
};

#if HWY_TARGET != HWY_SCALAR

/// N lanes made of N / 4 blocks: block b is four elements of row 4 b, rows lying `stride` apart.
template <int N, typename T>
HWY_INLINE auto gather_blocks(const T* rows, std::ptrdiff_t stride) {
  const hn::FixedTag<T, N> d;
  if constexpr (N == 4) {
    return hn::LoadU(d, rows);
  } else {
    return hn::Combine(d, gather_blocks<N / 2>(rows + N / 2 * stride, stride), gather_blocks<N / 2>(rows, stride));
  }
}

template <class Stored, class D>
HWY_INLINE hn::Vec<D> gather_widened(D d, const typename Stored::Lane* rows, std::ptrdiff_t stride) {
  constexpr int kLanes = hn::MaxLanes(D());
  const auto stored = gather_blocks<kLanes>(rows, stride);
  if constexpr (sizeof(typename Stored::Lane) == 4) {
    return stored;
  } else {
    return hn::PromoteTo(d, hn::BitCast(hn::FixedTag<typename Stored::HwyLane, kLanes>(), stored));
  }
}

/// Four columns of Lanes(d) rows: out0..out3 hold column 0..3, row i in lane i. Blocks are gathered so that only shuffles within
/// 128 bits are needed: lane block b of v_j is row 4 b + j, and a 4 x 4 transposition within each block puts the rows in order.
template <class Stored, class D, class V = hn::Vec<D>>
HWY_INLINE void transpose_four_columns(D d, const typename Stored::Lane* rows, std::ptrdiff_t stride, V& out0, V& out1, V& out2, V& out3) {
  const hn::Repartition<double, D> wide;
  const V v0 = gather_widened<Stored>(d, rows, stride);
  const V v1 = gather_widened<Stored>(d, rows + stride, stride);
  const V v2 = gather_widened<Stored>(d, rows + 2 * stride, stride);
  const V v3 = gather_widened<Stored>(d, rows + 3 * stride, stride);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, v0, v1));
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, v2, v3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, v0, v1));
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, v2, v3));
  out0 = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
  out1 = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
  out2 = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
  out3 = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
}

#else

template <class Stored, class D, class V = hn::Vec<D>>
HWY_INLINE void transpose_four_columns(D d, const typename Stored::Lane* rows, std::ptrdiff_t, V& out0, V& out1, V& out2, V& out3) {
  out0 = hn::Set(d, Stored::widen(rows[0]));
  out1 = hn::Set(d, Stored::widen(rows[1]));
  out2 = hn::Set(d, Stored::widen(rows[2]));
  out3 = hn::Set(d, Stored::widen(rows[3]));
}

#endif

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
