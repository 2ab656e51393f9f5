// What attention's kernels have in common whatever their factors: the tile, the memory of queries and keys. Included once per target, after
// hwy/highway.h (see isa.h). attention.cc says how it all goes together.
#if defined(IMPASTO_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_ATTENTION_INL_H_
#undef IMPASTO_ATTENTION_INL_H_
#else
#define IMPASTO_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "backend/cpu/attention.h"
#include "hwy/highway.h"

#include "backend/cpu/transpose-inl.h"
#include "backend/cpu/words-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Register tile: kRows broadcast scalars x kVectors vectors of queries, one multiply-add each; accumulators, one row of vectors and one
// scalar fill the register file (24 + 3 + 1 of 32 on AVX-512, 12 + 3 + 1 of 16 on AVX2).
constexpr int kVectors = kQueryVectors;
constexpr int kRows = hn::MaxLanes(D()) >= 16 ? 8 : 4;

/// 2^x for x <= 0 within 1.5e-7 relative; 0 below -126, NaN stays NaN.
/// x = n + f, |f| <= 1/2: 2^f by a minimax polynomial whose constant is 1, so that 2^0 = 1 and 2^-127 = 0 exactly; n goes into the exponent.
HWY_INLINE V exp2(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, 0x1.8p23f);  // adding it rounds to an integer, which stands in the low bits of the sum
  const V lowest = hn::Set(d, -127.0f);
#if HWY_TARGET == HWY_SCALAR
  x = hn::IfThenElse(hn::Lt(x, lowest), lowest, x);
#else
  x = hn::Max(lowest, x);  // the variable operand second: x86 returns it when it is NaN
#endif
  const V shifted = hn::Add(x, magic);
  const V f = hn::Sub(x, hn::Sub(shifted, magic));
  V p = hn::Set(d, 0x1.5bd97ap-10f);
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.3ce8b2p-7f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.c6b6dap-5f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.ebf9c2p-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.62e42ap-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

/// f(r, v) at each place of a tile, unrolled, so that a tile's array lives in registers.
template <int kV, class F>
HWY_INLINE void each_place(const F& f) {
  HWY_UNROLL(8)
  for (int r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (int v = 0; v < kV; ++v) f(r, v);
  }
}

/// Keys of a block and some queries, or columns of V and some queries: sum[r][v] += sum over words k of a[k][r] * b[k][v].
template <class Words, int kV>
HWY_INLINE void multiply_add(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::int64_t depth, typename Words::Sum (&sum)[kRows][kV]) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(D()));
  for (std::int64_t k = 0; k < depth; ++k, a += kRows, b += kV * lanes) {
    typename Words::Vector queries[kV];
    HWY_UNROLL(8)
    for (int v = 0; v < kV; ++v) queries[v] = Words::load(b + v * lanes);
    HWY_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      const auto scalar = Words::broadcast(a + r);
      HWY_UNROLL(8)
      for (int v = 0; v < kV; ++v) sum[r][v] = Words::multiply_add(scalar, queries[v], sum[r][v]);
    }
  }
}

template <class Words>
constexpr std::int64_t words(std::int64_t n) {
  return (n + Words::kColumns - 1) / Words::kColumns;
}

std::int64_t rounded(std::int64_t n) { return (n + kRows - 1) / kRows * kRows; }

/// A few vectors of queries: their transposed input and output, running maximum and sum.
struct Queries {
  std::int64_t first, count, width;  // first query, queries, lanes
  float *q, *o, *peak, *sum;         // [words of d][width], [rounded(d)][width], [width], [width]
};

/// A block of keys, packed in the order in which the kernel reads it, in tiles of kRows.
struct Keys {
  std::int64_t first, count;
  float *k, *v;    // [count / kRows][words of d][kRows], [d / kRows][words of count][kRows]
  float* scores;   // [rounded(count)][width]; softened: [words of count][width]
  float* scratch;  // [kRows][d]
};

template <class Words>
void pack_keys(Words, const AttentionHead& h, const Keys& keys) {
  const std::int64_t depth = words<Words>(h.d);
  for (std::int64_t j = 0; j < keys.count; j += kRows) {
    const std::int64_t rows = std::min<std::int64_t>(kRows, keys.count - j);
    for (std::int64_t r = 0; r < rows; ++r) narrow_row<Words>(h.k + (keys.first + j + r) * h.k_stride, h.d, keys.scratch + r * depth);
    std::fill_n(keys.scratch + rows * depth, (kRows - rows) * depth, 0.0f);
    transpose(keys.scratch, depth, kRows, depth, Unchanged(), keys.k + j * depth, kRows);
  }
}

bool hides_keys(const AttentionHead& h, const Queries& s, const Keys& keys) { return h.causal && keys.first + keys.count > s.first; }

void finish(const AttentionHead& h, const Queries& s) {
  const D d;
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t l = 0; l < s.width; l += lanes) {
    const V inverse = hn::Div(hn::Set(d, 1.0f), hn::Load(d, s.sum + l));
    for (std::int64_t i = 0; i < h.d; ++i) {
      float* o = s.o + i * s.width + l;
      hn::Store(hn::Mul(hn::Load(d, o), inverse), d, o);
    }
  }
  transpose(s.o, s.width, h.d, s.count, Unchanged(), h.out + s.first * h.out_stride, h.out_stride);
}

/// Queries begin..end cut into as few sets of at most kVectors vectors of `lanes` as will do, all about equally wide.
int cut(const AttentionHead& h, std::int64_t begin, std::int64_t end, std::int64_t lanes, float* memory, Queries* sets) {
  const std::int64_t vectors = (end - begin + lanes - 1) / lanes, count = (vectors + kVectors - 1) / kVectors;
  for (std::int64_t i = 0; i < count; ++i) {
    Queries& s = sets[i];
    s.width = (vectors / count + (i < vectors % count ? 1 : 0)) * lanes;
    s.first = begin;
    s.count = std::min(s.width, end - begin);
    s.q = memory;
    s.o = s.q + h.d * s.width;
    s.peak = s.o + rounded(h.d) * s.width;
    s.sum = s.peak + s.width;
    memory = s.sum + s.width;
    begin += s.count;
  }
  return static_cast<int>(count);
}

}  // namespace
}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
