// Arithmetic on vectors of 32 float16 (AVX512-FP16): for kernels whose factors and short sums are float16. Included once per target, after
// hwy/highway.h (see isa.h); empty for all targets but AVX-512.
//
// Written as assembly because that target must not let the compiler use these instructions elsewhere. Subnormal numbers count, at full speed.
// Vectors travel through memory as float, two numbers in each: only these functions look inside.
#if defined(IMPASTO_FLOAT16_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_FLOAT16_INL_H_
#undef IMPASTO_FLOAT16_INL_H_
#else
#define IMPASTO_FLOAT16_INL_H_
#endif

#include <bit>
#include <cstdint>

#include "core/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

namespace hn = hwy::HWY_NAMESPACE;

struct Float16 {
  using D = hn::ScalableTag<float>;
  using V = hn::Vec<D>;
  struct Vector {
    __m512i v;
  };
  using Sum = Vector;
  static constexpr int kColumns = 1;   // of a matrix's row, in a word: the number stands in it twice
  static constexpr int kOutputs = 32;  // numbers in a vector
  static constexpr int kFloats = 16;   // that it takes in memory

  /// How many products are added up in float16 before the sum goes on in float32. A sum of n random products is off by about
  /// 2^-11 sqrt(n / 6) of itself: 1.6e-3 here, as much as rounding two factors to bfloat16 costs; ending a chain takes time (6 % here).
  static constexpr int kChain = 64;

  static HWY_INLINE Vector zero() { return {_mm512_setzero_si512()}; }
  static HWY_INLINE Vector load(const float* from) { return {_mm512_loadu_si512(from)}; }
  static HWY_INLINE void store(Vector x, float* to) { _mm512_storeu_si512(to, x.v); }
  /// From a word that holds the number twice: the processor broadcasts 32 bits as it loads, 16 bits only with a shuffle.
  static HWY_INLINE Vector broadcast(const float* word) { return {_mm512_castps_si512(_mm512_set1_ps(*word))}; }

  static HWY_INLINE Vector set(float x) { return {_mm512_set1_epi16(static_cast<short>(float32_to_float16(x)))}; }
  static HWY_INLINE Vector minus_infinity() { return {_mm512_set1_epi16(static_cast<short>(0xFC00))}; }

  static HWY_INLINE Vector add(Vector a, Vector b) {
    Vector r;
    asm("vaddph %2, %1, %0" : "=v"(r.v) : "v"(a.v), "v"(b.v));
    return r;
  }
  static HWY_INLINE Vector subtract(Vector a, Vector b) {
    Vector r;
    asm("vsubph %2, %1, %0" : "=v"(r.v) : "v"(a.v), "v"(b.v));
    return r;
  }
  /// b where either is NaN.
  static HWY_INLINE Vector max(Vector a, Vector b) {
    Vector r;
    asm("vmaxph %2, %1, %0" : "=v"(r.v) : "v"(a.v), "v"(b.v));
    return r;
  }
  static HWY_INLINE Vector nearest_integer(Vector x) {
    Vector r;
    asm("vrndscaleph $0, %1, %0" : "=v"(r.v) : "v"(x.v));
    return r;
  }
  /// x 2^n for an integer n.
  static HWY_INLINE Vector scale_by_power(Vector x, Vector n) {
    Vector r;
    asm("vscalefph %2, %1, %0" : "=v"(r.v) : "v"(x.v), "v"(n.v));
    return r;
  }
  static HWY_INLINE Vector multiply_add(Vector a, Vector b, Vector sum) {
    asm("vfmadd231ph %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }

  /// Numbers 0..15 and 16..31 of a vector in memory, as float32. (From a register the upper ones would cost a shuffle.)
  static HWY_INLINE V first_half(const float* from) { return V{_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))}; }
  static HWY_INLINE V second_half(const float* from) { return first_half(from + kFloats / 2); }

  static HWY_INLINE __m256i half(V x) { return _mm512_cvtps_ph(x.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  /// Half a vector, to half of its memory.
  static HWY_INLINE void store_half(V x, float* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), half(x)); }
  static HWY_INLINE Vector join(V first, V second) { return {_mm512_inserti64x4(_mm512_castsi256_si512(half(first)), half(second), 1)}; }
  /// Words for broadcast(): each number twice.
  static HWY_INLINE V doubled(V x) {
    alignas(64) static constexpr std::uint16_t kTwice[32] = {0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5,  6,  6,  7,  7,
                                                             8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
    return V{_mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_load_si512(kTwice), _mm512_castsi256_si512(half(x))))};
  }
  static HWY_INLINE V narrow(const float* from) { return doubled(hn::LoadU(D(), from)); }
  static float word(const float* from, std::int64_t) { return std::bit_cast<float>(float32_to_float16(*from) * 0x00010001u); }
};

#endif

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
