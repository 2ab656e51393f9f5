// The one place that decides which instructions the kernels use.
//
// Kernels are written once over Highway's vectors and compiled for the targets below; which copy runs is chosen at the first call, from what
// the processor has, or by IMPASTO_ISA=baseline|avx2|avx512|avx512_bf16|avx512_fp16|amx (for tests, and to compare). A kernel file reads
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "backend/cpu/this_file.cc"
//   #include "backend/cpu/isa.h"            // before Highway's headers: it names the targets
//
//   #include "hwy/foreach_target.h"
//   #include "hwy/highway.h"
//
//   #include "backend/cpu/simd_math-inl.h"  // if it needs exp, silu, gelu
//   HWY_BEFORE_NAMESPACE();
//   namespace impasto::HWY_NAMESPACE { ... void kernel(...) ... }
//   HWY_AFTER_NAMESPACE();
//   #if HWY_ONCE
//   namespace impasto { HWY_EXPORT(kernel);  ... IMPASTO_DISPATCH(kernel)(arguments); }
//   #endif
#pragma once

// Baseline, AVX2 and AVX-512 F/BW/DQ/VL only: the targets between them would add compile time and no machine that people have.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)

#include <string_view>
#include <vector>

namespace impasto {

/// "baseline", "avx2", "avx512", "avx512_bf16", "avx512_fp16" or "amx": what the kernels run on. The first call reads IMPASTO_ISA; throws
/// invalid_argument when that names an ISA that does not exist or that this processor lacks.
std::string_view isa();

/// What this build and this processor can both run, slowest first.
std::vector<std::string_view> available_isas();

/// Whether bfloat16 products may use the processor's instructions for them (avx512_bf16 and on); float32 kernels are those of avx512.
bool has_bfloat16_instructions();
/// The same of float16 (avx512_fp16 and on).
bool has_float16_instructions();
/// Whether bfloat16 products may use tiles (amx).
bool has_tiles();
/// For tests that carry out the instructions for tiles themselves: "amx" counts as available from now on.
void assume_tiles();

/// Chooses for every later call of any kernel; not while one is running. Throws as isa() does. Meant for tests and benchmarks.
void set_isa(std::string_view name);

}  // namespace impasto

/// The copy of an exported kernel for the ISA in use.
#define IMPASTO_DISPATCH(kernel) (::impasto::isa(), HWY_DYNAMIC_DISPATCH(kernel))
