// Tiles of Intel's AMX: eight registers of 16 rows of 64 bytes, and products of two of them, 8192 multiply-adds in 16 cycles. Included once per
// target, after hwy/highway.h (see isa.h); empty for all targets but AVX-512.
//
// Written as assembly because that target must not let the compiler use these instructions elsewhere, and with the assembler's names for the
// registers, which the compiler does not know. A thread calls configure() before and release() after: between them all tiles are 16 x 64 bytes.
#if defined(IMPASTO_AMX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef IMPASTO_AMX_INL_H_
#undef IMPASTO_AMX_INL_H_
#else
#define IMPASTO_AMX_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3

struct Amx {
  static constexpr int kTileRows = 16, kTileFloats = 16;  // floats, or words of two bfloat16, in a row

  static void configure() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  }
  static void release() { asm volatile("tilerelease" : : : "memory"); }

  template <int kTile>
  static HWY_INLINE void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
  }
  /// Rows lie `stride` floats apart.
  template <int kTile>
  static HWY_INLINE void load(const float* from, std::ptrdiff_t stride) {
    asm volatile("tileloadd (%0,%1,4), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  static HWY_INLINE void store(float* to, std::ptrdiff_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,4)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
  }
  /// sum[i][j] += over words k: a[i][k] . b[k][j], both numbers of a word. Subnormal numbers count as zero.
  template <int kSum, int kA, int kB>
  static HWY_INLINE void multiply_add() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
  }

  // Two tiles of rows by two of columns: each one loaded serves two products, 32 cycles of loads beside 64 of multiplying.
  static constexpr int kRows = 2 * kTileRows, kWidth = 2 * kTileFloats;

  /// As GemmKernels::multiply for kRowTiles * 16 rows, whatever is asked for: there is memory for as many.
  template <int kRowTiles, bool kAdd>
  static void multiply(const float* HWY_RESTRICT a, std::ptrdiff_t lda, const float* HWY_RESTRICT b, std::ptrdiff_t k, float* HWY_RESTRICT c) {
    constexpr std::ptrdiff_t kLower = kTileRows * kWidth;
    if constexpr (kAdd) {
      load<0>(c, kWidth), load<1>(c + kTileFloats, kWidth);
      if constexpr (kRowTiles == 2) load<2>(c + kLower, kWidth), load<3>(c + kLower + kTileFloats, kWidth);
    } else {
      zero<0>(), zero<1>();
      if constexpr (kRowTiles == 2) zero<2>(), zero<3>();
    }
    for (; k >= kTileFloats; k -= kTileFloats, a += kTileFloats, b += kTileFloats * kWidth) step<kRowTiles>(a, lda, b);
    if (k > 0) {
      alignas(64) float rows[kRowTiles * kTileRows * kTileFloats] = {}, panel[kTileFloats * kWidth] = {};
      for (int r = 0; r < kRowTiles * kTileRows; ++r) std::copy_n(a + r * lda, k, rows + r * kTileFloats);
      std::copy_n(b, k * kWidth, panel);
      step<kRowTiles>(rows, kTileFloats, panel);
    }
    store<0>(c, kWidth), store<1>(c + kTileFloats, kWidth);
    if constexpr (kRowTiles == 2) store<2>(c + kLower, kWidth), store<3>(c + kLower + kTileFloats, kWidth);
  }

 private:
  template <int kRowTiles>
  static HWY_INLINE void step(const float* a, std::ptrdiff_t lda, const float* b) {
    load<6>(b, kWidth);
    load<4>(a, lda);
    multiply_add<0, 4, 6>();
    load<7>(b + kTileFloats, kWidth);
    multiply_add<1, 4, 7>();
    if constexpr (kRowTiles == 2) {
      load<5>(a + kTileRows * lda, lda);
      multiply_add<2, 5, 6>();
      multiply_add<3, 5, 7>();
    }
  }
};

#endif

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
