// Transposing float32 matrices. Included once per target, after hwy/highway.h (see isa.h).
#if defined(IMPASTO_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_TRANSPOSE_INL_H_
#undef IMPASTO_TRANSPOSE_INL_H_
#else
#define IMPASTO_TRANSPOSE_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// What happens to elements on the way. `Unchanged` copies bits: the elements need not be numbers.
struct Unchanged {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return x;
  }
  float one(float x) const { return x; }
};
struct Scaled {
  float factor;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Mul(x, hn::Set(d, factor));
  }
  float one(float x) const { return x * factor; }
};

/// to[j][i] = change(from[i][j]) for i < rows, j < columns.
template <class Change>
HWY_INLINE void transpose_plain(const float* HWY_RESTRICT from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
                                const Change& change, float* HWY_RESTRICT to, std::int64_t to_stride) {
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = change.one(from[i * from_stride + j]);
}

/// The same, 4 x 4 at a time in registers: each load and store is four elements long on both sides, and no row is walked down a column.
template <class Change>
HWY_INLINE void transpose(const float* HWY_RESTRICT from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, const Change& change,
                          float* HWY_RESTRICT to, std::int64_t to_stride) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  for (; i + 4 <= rows; i += 4) {
    const float* f = from + i * from_stride;
    std::int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
      const auto a = hn::LoadU(d, f + j), b = hn::LoadU(d, f + from_stride + j);
      const auto c = hn::LoadU(d, f + 2 * from_stride + j), e = hn::LoadU(d, f + 3 * from_stride + j);
      const auto ab01 = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)), ab23 = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
      const auto ce01 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)), ce23 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
      float* t = to + j * to_stride + i;
      hn::StoreU(change(d, hn::BitCast(d, hn::InterleaveLower(pairs, ab01, ce01))), d, t);
      hn::StoreU(change(d, hn::BitCast(d, hn::InterleaveUpper(pairs, ab01, ce01))), d, t + to_stride);
      hn::StoreU(change(d, hn::BitCast(d, hn::InterleaveLower(pairs, ab23, ce23))), d, t + 2 * to_stride);
      hn::StoreU(change(d, hn::BitCast(d, hn::InterleaveUpper(pairs, ab23, ce23))), d, t + 3 * to_stride);
    }
    transpose_plain(f + j, from_stride, 4, columns - j, change, to + j * to_stride + i, to_stride);
  }
#endif
  transpose_plain(from + i * from_stride, from_stride, rows - i, columns, change, to + i, to_stride);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
