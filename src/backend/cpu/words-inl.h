// Operands of products, in words of 32 bits: a float32, or two bfloat16 that are multiplied with two others and added up. Included once per
// target, after hwy/highway.h (see isa.h).
//
// Each struct below says how to load a vector of words, broadcast one, multiply them into float32 sums, and make words from float32. Words
// travel as float: only these functions look inside. float16-inl.h has a further one, whose sums are float16.
#if defined(IMPASTO_WORDS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_WORDS_INL_H_
#undef IMPASTO_WORDS_INL_H_
#else
#define IMPASTO_WORDS_INL_H_
#endif

#include <bit>
#include <cstdint>

#include "core/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

struct Float32Words {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  using Sum = V;
  static constexpr int kColumns = 1;                  // of a matrix, in a word
  static constexpr int kOutputs = hn::MaxLanes(D());  // sums in a vector
  static constexpr int kChain = 0;                    // products added up before a sum goes on in float32; 0: it is float32

  struct Vector {
    V v;
  };
  static HWY_INLINE Sum zero() { return hn::Zero(D()); }
  static HWY_INLINE Vector load(const float* words) { return {hn::LoadU(D(), words)}; }
  static HWY_INLINE Vector broadcast(const float* word) { return {hn::Set(D(), *word)}; }
  static HWY_INLINE V multiply_add(const Vector& a, const Vector& b, V sum) { return hn::MulAdd(a.v, b.v, sum); }
};

/// The word of two numbers: the first in the low half, as two bfloat16 side by side lie in memory.
inline float bfloat16_word(float first, float second) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(float32_to_bfloat16(second)) << 16 | float32_to_bfloat16(first));
}

/// For any processor: the halves are taken apart and multiplied as float32.
struct BFloat16Pairs {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  using DU = hn::RebindToUnsigned<D>;
  using Sum = V;
  static constexpr int kColumns = 2, kOutputs = hn::MaxLanes(D()), kChain = 0;

  struct Vector {
    V first, second;
  };
  static HWY_INLINE Sum zero() { return hn::Zero(D()); }
  static HWY_INLINE Vector split(V words) {
    const auto bits = hn::BitCast(DU(), words);
    return {hn::BitCast(D(), hn::ShiftLeft<16>(bits)), hn::BitCast(D(), hn::And(bits, hn::Set(DU(), 0xFFFF0000u)))};
  }
  static HWY_INLINE Vector load(const float* words) { return split(hn::LoadU(D(), words)); }
  static HWY_INLINE Vector broadcast(const float* word) { return split(hn::BitCast(D(), hn::Set(DU(), std::bit_cast<std::uint32_t>(*word)))); }
  static HWY_INLINE V multiply_add(const Vector& a, const Vector& b, V sum) {
    return hn::MulAdd(a.second, b.second, hn::MulAdd(a.first, b.first, sum));
  }

  /// Rounded to the nearest, ties to even, in the upper half of each lane; NaN stays NaN.
  static HWY_INLINE hn::Vec<DU> rounded(V x) {
    const auto bits = hn::BitCast(DU(), x);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(DU(), 1u));
    const auto up = hn::Add(hn::Add(bits, hn::Set(DU(), 0x7FFFu)), odd);
    const auto quiet = hn::Or(bits, hn::Set(DU(), 0x00400000u));
    return hn::BitCast(DU(), hn::IfThenElse(hn::Eq(x, x), hn::BitCast(D(), up), hn::BitCast(D(), quiet)));
  }
  /// Lane i holds first[i] and second[i].
  static HWY_INLINE V pair(V first, V second) {
    const auto high = hn::And(rounded(second), hn::Set(DU(), 0xFFFF0000u));
    return hn::BitCast(D(), hn::Or(hn::ShiftRight<16>(rounded(first)), high));
  }
  /// The first word of `rest` numbers.
  static float word(const float* from, std::int64_t rest) { return bfloat16_word(from[0], rest > 1 ? from[1] : 0.0f); }
  /// Two vectors of numbers side by side in memory to one of words.
  static HWY_INLINE V narrow(const float* from) {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(D(), bfloat16_word(from[0], from[1]));
#else
    V first, second;
    hn::LoadInterleaved2(D(), from, first, second);
    return pair(first, second);
#endif
  }
};

#if HWY_TARGET == HWY_AVX3

/// AVX-512 BF16. Written as assembly because this target must not let the compiler use these instructions elsewhere. Subnormal operands
/// count as zero.
struct BFloat16Dot {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  using Sum = V;
  static constexpr int kColumns = 2, kOutputs = hn::MaxLanes(D()), kChain = 0;

  struct Vector {
    V v;
  };
  static HWY_INLINE Sum zero() { return hn::Zero(D()); }
  static HWY_INLINE Vector load(const float* words) { return {hn::LoadU(D(), words)}; }
  static HWY_INLINE Vector broadcast(const float* word) { return {hn::Set(D(), *word)}; }
  static HWY_INLINE V multiply_add(const Vector& a, const Vector& b, V sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.v.raw), "v"(b.v.raw));
    return sum;
  }

  /// The lower half of the result from `low`, the upper from `high`.
  static HWY_INLINE __m512i narrow(V low, V high) {
    __m512i r;
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(r) : "v"(high.raw), "v"(low.raw));
    return r;
  }
  static HWY_INLINE V pair(V first, V second) {
    alignas(64) static constexpr std::uint16_t kInterleave[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                                  8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return V{_mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), narrow(first, second)))};
  }
  static float word(const float* from, std::int64_t rest) { return bfloat16_word(from[0], rest > 1 ? from[1] : 0.0f); }
  static HWY_INLINE V narrow(const float* from) { return V{_mm512_castsi512_ps(narrow(hn::LoadU(D(), from), hn::LoadU(D(), from + 16)))}; }
};

#endif

/// Numbers side by side to words.
template <class Words>
HWY_INLINE void narrow_row(const float* HWY_RESTRICT from, std::int64_t columns, float* HWY_RESTRICT words) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + Words::kColumns * lanes <= columns; i += Words::kColumns * lanes, words += lanes) hn::StoreU(Words::narrow(from + i), d, words);
  for (; i < columns; i += Words::kColumns) *words++ = Words::word(from + i, columns - i);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
