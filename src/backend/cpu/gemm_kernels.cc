#include "backend/cpu/gemm_kernels.h"

#include <algorithm>

#include "core/fail.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/gemm_kernels.cc"
#include "backend/cpu/isa.h"

#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/amx-inl.h"
#include "backend/cpu/float16-inl.h"
#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/stored-inl.h"
#include "backend/cpu/words-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr D d;
constexpr int kLanes = hn::MaxLanes(d);

// A tile is kRows x 2 vectors. Per k it takes 2 loads of b and kRows broadcasts of a for 2 * kRows multiply-adds, so loads stay below
// multiply-adds from 4 rows on (on Zen 4 and out of the first-level cache, 4 to 12 rows all run at the peak rate); more rows read b less
// often, and 2 * kRows sums, 2 vectors of b and a broadcast must fit the registers: 32 for AVX-512 (24 + 2 + 1), 16 for AVX2 (12 + 2 + 1).
constexpr int kVectors = 2;
constexpr int kPanelRow = kVectors * kLanes;  // floats
constexpr int kRows = HWY_TARGET == HWY_AVX3 ? 12 : HWY_TARGET == HWY_AVX2 ? 6 : 4;

/// Columns of a tile.
template <class Words>
constexpr int kWidth = kVectors* Words::kOutputs;

template <class Words>
constexpr bool kIsFloat16 = Words::kOutputs != kLanes;

/// How many k ahead the panel is asked for: it comes from the second-level cache.
constexpr int kAhead = 16;

/// Sums of R rows, kept in registers.
template <class Words, int R>
struct Tile {
  typename Words::Sum sum[R][kVectors];

  HWY_INLINE void clear() {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Words::zero();
  }

  /// One word of each row: row r's lies at rows[r / 3] + r % 3 * lda. (Three rows a pointer: x86 adds an index times 1, 2 or 4 for nothing.)
  HWY_INLINE void multiply_add(const float* const (&rows)[(R + 2) / 3], std::ptrdiff_t lda, std::ptrdiff_t k, const float* b) {
    const auto b0 = Words::load(b);
    const auto b1 = Words::load(b + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto x = Words::broadcast(rows[r / 3] + r % 3 * lda + k);
      sum[r][0] = Words::multiply_add(x, b0, sum[r][0]);
      sum[r][1] = Words::multiply_add(x, b1, sum[r][1]);
    }
  }

  HWY_INLINE void store(bool add, float* c) const {
    if constexpr (kIsFloat16<Words>) {
      alignas(64) float halves[R * kVectors][kLanes];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) Words::store(sum[r][v], halves[r * kVectors + v]);
      for (int i = 0; i < R * kVectors; ++i, c += 2 * kLanes) {
        store(Words::first_half(halves[i]), add, c);
        store(Words::second_half(halves[i]), add, c + kLanes);
      }
    } else {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v, c += kLanes) store(sum[r][v], add, c);
    }
  }
  static HWY_INLINE void store(V x, bool add, float* c) { hn::StoreU(add ? hn::Add(hn::LoadU(d, c), x) : x, d, c); }
};

// The rows of the next tile are asked for while this one is computed: they lie in as many places as there are rows, too many and too
// short for the hardware to foresee, and a miss to the third-level cache costs more than the out-of-order window holds. Winograd's products
// of wide layers, whose rows come from there, ran 4 to 20 % faster with it on a busy Zen 4.
template <class Words, int R, bool kAdd>
void multiply(const float* HWY_RESTRICT a, std::ptrdiff_t lda, const float* HWY_RESTRICT b, std::ptrdiff_t k, float* HWY_RESTRICT c) {
  constexpr int kGroups = (R + 2) / 3, kUnroll = 4, kLineSteps = 16 / kUnroll;
  const float* rows[kGroups];
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) rows[g] = a + 3 * g * lda;
  Tile<Words, R> tile;
  std::ptrdiff_t i = 0;
  for (bool add = kAdd;; add = true) {
    const std::ptrdiff_t end = Words::kChain == 0 ? k : std::min<std::ptrdiff_t>(k, i + Words::kChain);
    tile.clear();
    for (; i + kUnroll <= end; i += kUnroll) {
#pragma GCC unroll 4
      for (int j = 0; j < kUnroll; ++j, b += kPanelRow) {
        hwy::Prefetch(b + kAhead * kPanelRow);
        hwy::Prefetch(b + kAhead * kPanelRow + kLanes);
        tile.multiply_add(rows, lda, j, b);
      }
      if (R == kRows && i / kUnroll % kLineSteps < kGroups) {
        const float* const next = a + (R + 3 * (i / kUnroll % kLineSteps)) * lda + i;
#pragma GCC unroll 3
        for (int r = 0; r < 3; ++r) hwy::Prefetch(next + r * lda);
      }
#pragma GCC unroll 16
      for (int g = 0; g < kGroups; ++g) rows[g] += kUnroll;
    }
    for (std::ptrdiff_t j = 0; i < end; ++i, ++j, b += kPanelRow) tile.multiply_add(rows, lda, j, b);
    tile.store(add, c);
    if (Words::kChain == 0 || i == k) break;
  }
}

template <class Words, int R>
void list_multiplies(GemmKernels& kernels) {
  kernels.multiply[R] = multiply<Words, R, false>;
  kernels.multiply_add[R] = multiply<Words, R, true>;
  if constexpr (R > 1) list_multiplies<Words, R - 1>(kernels);
}

// --- narrowing

/// Rows of a panel in pairs.
template <class Words>
void pair(const float* HWY_RESTRICT panel, std::int64_t columns, float* HWY_RESTRICT words) {
  for (std::int64_t j = 0; j < columns; j += 2, panel += 2 * kWidth<Words>, words += kPanelRow)
    for (int v = 0; v < kPanelRow; v += kLanes) {
      const V second = j + 1 < columns ? hn::LoadU(d, panel + kWidth<Words> + v) : hn::Zero(d);
      hn::StoreU(Words::pair(hn::LoadU(d, panel + v), second), d, words + v);
    }
}

/// Each row of a panel as float16.
template <class Words>
void halve(const float* HWY_RESTRICT panel, std::int64_t columns, float* HWY_RESTRICT words) {
  for (std::int64_t i = 0; i < columns * kVectors; ++i, panel += 2 * kLanes, words += kLanes)
    Words::store(Words::join(hn::LoadU(d, panel), hn::LoadU(d, panel + kLanes)), words);
}

// --- widening

/// Where a stored column of a block comes in the panel.
struct ColumnOrder {
  std::int64_t channels;
  int taps;
  std::int64_t place(std::int64_t column) const { return taps == 1 ? column : column % taps * channels + column / taps; }
};

template <int kRow, class Stored>
void widen_vector(const StoredRows& w, std::int64_t first, const DepthBlock& block, float* panel) {
  const ColumnOrder order{block.count / block.taps, block.taps};
  const auto* rows = static_cast<const typename Stored::Lane*>(w.data) + first * w.columns + block.first;
  std::int64_t j = 0;
  for (; j + 4 <= block.count; j += 4) {
    V out[4];
    transpose_four_columns<Stored>(d, rows + j, w.columns, out[0], out[1], out[2], out[3]);
    for (int i = 0; i < 4; ++i) hn::StoreU(out[i], d, panel + order.place(j + i) * kRow);
  }
  for (; j < block.count; ++j)
    for (int i = 0; i < kLanes; ++i) panel[order.place(j) * kRow + i] = Stored::widen(rows[i * w.columns + j]);
}

/// The last rows, fewer than a vector: one by one.
template <int kRow, class Stored>
void widen_rest(const StoredRows& w, std::int64_t first, const DepthBlock& block, float* panel) {
  const ColumnOrder order{block.count / block.taps, block.taps};
  for (int i = 0; i < kLanes; ++i) {
    const auto* row = static_cast<const typename Stored::Lane*>(w.data) + std::min(first + i, w.rows - 1) * w.columns + block.first;
    for (std::int64_t j = 0; j < block.count; ++j) panel[order.place(j) * kRow + i] = Stored::widen(row[j]);
  }
}

template <int kRow, class Stored>
void widen_as(const StoredRows& w, std::int64_t first, int count, const DepthBlock& block, float* panel) {
  for (int i = 0; i < count; i += kLanes, panel += kLanes) {
    if (first + i + kLanes <= w.rows) {
      widen_vector<kRow, Stored>(w, first + i, block, panel);
    } else {
      widen_rest<kRow, Stored>(w, first + i, block, panel);
    }
  }
}

/// Rows of the panel are kRow floats apart.
template <int kRow>
void widen(const StoredRows& w, std::int64_t first, int count, const DepthBlock& block, float* panel) {
  switch (w.dtype) {
    case DType::float16: return widen_as<kRow, StoredFloat16>(w, first, count, block, panel);
    case DType::bfloat16: return widen_as<kRow, StoredBFloat16>(w, first, count, block, panel);
    default: return widen_as<kRow, StoredFloat32>(w, first, count, block, panel);
  }
}

// --- storing

HWY_INLINE V activated(V x, Activation activation) {
  switch (activation) {
    case Activation::silu: return silu(d, x);
    case Activation::gelu: return gelu(d, x);
    case Activation::quick_gelu: return quick_gelu(d, x);
    case Activation::none: break;
  }
  return x;
}

/// One vector of a row from its sums: `load` reads at a column, whole or masked. Gates lie kGate floats behind what they gate.
template <int kGate, class Load>
HWY_INLINE V finished(const float* sums, std::int64_t column, const float* row_bias, const float* residual, const TileTarget& t, const Load& load) {
  V y = hn::Add(hn::LoadU(d, sums), hn::LoadU(d, t.bias + column));
  if (row_bias != nullptr) y = hn::Add(y, load(row_bias + column));
  if (t.gated) {
    const V gate = hn::Add(hn::LoadU(d, sums + kGate), hn::LoadU(d, t.bias + t.columns + column));
    y = hn::Mul(y, gelu(d, gate));
  } else {
    y = activated(y, t.activation);
  }
  if (residual != nullptr) y = hn::Add(y, load(residual + column));
  return y;
}

struct LoadWhole {
  HWY_INLINE V operator()(const float* p) const { return hn::LoadU(d, p); }
};
struct LoadFirst {
  hn::Mask<D> mask;
  HWY_INLINE V operator()(const float* p) const { return hn::MaskedLoad(mask, d, p); }
};

template <int kRow>
void store(const float* HWY_RESTRICT tile, int rows, std::int64_t row, std::int64_t column, const TileTarget& t) {
  const int vectors = (t.gated ? kRow / 2 : kRow) / kLanes;
  for (int r = 0; r < rows; ++r, ++row, tile += kRow) {
    float* out = t.row(row);
    const float* row_bias = t.row_bias == nullptr ? nullptr : t.row_bias + row / t.rows_per_image * t.row_bias_stride;
    const float* residual = t.residual == nullptr ? nullptr : t.residual + row * t.residual_stride;
    for (int v = 0; v < vectors; ++v) {
      const std::int64_t c = column + v * kLanes;
      if (c + kLanes <= t.columns) {
        hn::StoreU(finished<kRow / 2>(tile + v * kLanes, c, row_bias, residual, t, LoadWhole()), d, out + c);
      } else if (c < t.columns) {
        const auto mask = hn::FirstN(d, static_cast<std::size_t>(t.columns - c));
        hn::BlendedStore(finished<kRow / 2>(tile + v * kLanes, c, row_bias, residual, t, LoadFirst{mask}), mask, d, out + c);
      }
    }
  }
}

// --- loading

template <Activation kActivation>
void map_row_as(const float* HWY_RESTRICT x, std::int64_t n, const RowMap& map, float* HWY_RESTRICT out) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    hn::StoreU(activated(hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, map.scale + i), hn::LoadU(d, map.shift + i)), kActivation), d, out + i);
  if (i == n) return;
  const auto mask = hn::FirstN(d, static_cast<std::size_t>(n - i));
  const V mapped = hn::MulAdd(hn::MaskedLoad(mask, d, x + i), hn::MaskedLoad(mask, d, map.scale + i), hn::MaskedLoad(mask, d, map.shift + i));
  hn::BlendedStore(activated(mapped, kActivation), mask, d, out + i);
}

void map_row(const float* x, std::int64_t n, const RowMap& map, float* out) {
  if (map.scale == nullptr) {
    std::copy_n(x, n, out);
    return;
  }
  switch (map.activation) {
    case Activation::none: return map_row_as<Activation::none>(x, n, map, out);
    case Activation::silu: return map_row_as<Activation::silu>(x, n, map, out);
    case Activation::gelu: return map_row_as<Activation::gelu>(x, n, map, out);
    case Activation::quick_gelu: return map_row_as<Activation::quick_gelu>(x, n, map, out);
  }
}

template <class Words>
GemmKernels make_kernels() {
  GemmKernels kernels;
  kernels.rows = kRows;
  kernels.width = kWidth<Words>;
  kernels.columns_per_word = kernels.depth_unit = Words::kColumns;
  kernels.panel_row = kPanelRow;
  kernels.panel_bytes = kIsFloat16<Words> ? 1024 << 10 : HWY_TARGET == HWY_AVX3 ? 512 << 10 : 256 << 10;
  kernels.depth = kIsFloat16<Words> ? 640 : Words::kColumns == 1 ? 960 : 480;
  list_multiplies<Words, kRows>(kernels);
  kernels.widen = widen<kWidth<Words>>;
  if constexpr (kIsFloat16<Words>) {
    kernels.narrow = narrow_row<Words>;
    kernels.pair = halve<Words>;
  } else if constexpr (Words::kColumns == 2) {
    kernels.narrow = narrow_row<Words>;
    kernels.pair = pair<Words>;
  }
  kernels.store = store<kWidth<Words>>;
  kernels.map_row = map_row;
  return kernels;
}

#if HWY_TARGET == HWY_AVX3
/// Multiplying takes a sixteenth of the time that vectors of float32 take, so weights are widened for as many rows as there are, and a tile's rows
/// and a panel lie in the first-level cache together: from the second a step's 4 KiB would take as long as its products.
GemmKernels make_amx_kernels() {
  GemmKernels kernels = make_kernels<BFloat16Dot>();
  static_assert(Amx::kWidth == kWidth<BFloat16Dot> && Amx::kRows <= GemmKernels::kMaxRows);
  kernels.rows = Amx::kRows;
  kernels.depth = 256;
  kernels.depth_unit = BFloat16Dot::kColumns * Amx::kTileFloats;
  kernels.good_rows = 4096;
  kernels.begin = Amx::configure;
  kernels.end = Amx::release;
  for (int r = 1; r <= Amx::kRows; ++r) {
    kernels.multiply[r] = r <= Amx::kTileRows ? Amx::multiply<1, false> : Amx::multiply<2, false>;
    kernels.multiply_add[r] = r <= Amx::kTileRows ? Amx::multiply<1, true> : Amx::multiply<2, true>;
  }
  return kernels;
}
#endif

}  // namespace

const GemmKernels& float32_kernels() {
  static const GemmKernels kernels = make_kernels<Float32Words>();
  return kernels;
}

const GemmKernels& bfloat16_kernels([[maybe_unused]] bool instructions, [[maybe_unused]] bool tiles) {
#if HWY_TARGET == HWY_AVX3
  static const GemmKernels dot = make_kernels<BFloat16Dot>(), amx = make_amx_kernels();
  if (tiles) return amx;
  if (instructions) return dot;
#endif
  static const GemmKernels kernels = make_kernels<BFloat16Pairs>();
  return kernels;
}

const GemmKernels& float16_kernels() {
#if HWY_TARGET == HWY_AVX3
  static const GemmKernels kernels = make_kernels<Float16>();
  return kernels;
#else
  return float32_kernels();
#endif
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {

HWY_EXPORT(float32_kernels);
HWY_EXPORT(bfloat16_kernels);
HWY_EXPORT(float16_kernels);

const GemmKernels& gemm_kernels(DType arithmetic) {
  if (arithmetic == DType::bfloat16) return IMPASTO_DISPATCH(bfloat16_kernels)(has_bfloat16_instructions(), has_tiles());
  if (arithmetic == DType::float16 && has_float16_instructions()) return IMPASTO_DISPATCH(float16_kernels)();
  return IMPASTO_DISPATCH(float32_kernels)();
}

std::vector<float> padded_bias(const TensorView& bias, std::int64_t count) {
  std::vector<float> padded(static_cast<std::size_t>(count + kBiasPadding), 0.0f);
  for (std::int64_t i = 0; bias && i < count; ++i) {
    switch (bias.dtype) {
      case DType::float32: padded[i] = bias.as<float>()[i]; break;
      case DType::float16: padded[i] = float16_to_float32(bias.as<std::uint16_t>()[i]); break;
      case DType::bfloat16: padded[i] = bfloat16_to_float32(bias.as<std::uint16_t>()[i]); break;
      default: fail(ErrorKind::unsupported, "a bias stored as ", to_string(bias.dtype), "; expected float32, float16 or bfloat16");
    }
  }
  return padded;
}

TileTarget tile_target(const TensorView& out, const float* bias, const Epilogue& epilogue, bool gated) {
  TileTarget t;
  t.out = out.as<float>();
  t.out_stride = out.row_stride;
  t.columns = out.shape.back();
  t.rows_per_image = std::max<std::int64_t>(1, out.rows() / std::max<std::int64_t>(1, out.shape[0]));
  t.bias = bias;
  t.row_bias = epilogue.row_bias.as<float>();
  t.row_bias_stride = epilogue.row_bias.row_stride;
  t.residual = epilogue.residual.as<float>();
  t.residual_stride = epilogue.residual.row_stride;
  t.activation = epilogue.activation;
  t.gated = gated;
  return t;
}

}  // namespace impasto
#endif
