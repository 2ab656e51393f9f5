// The three kernels that every product of the CPU backend is built from: widen stored weights to a panel, multiply a tile, store a tile.
//
// C[m, n] = A[m, k] W[n, k]^T is computed tile by tile. A tile is `rows` x `width` sums that stay in registers over a block of k, and the
// blocks depend on k alone: an element of C is the same chain of operations whatever the number of rows, the position of the row or the
// thread. Image k of a batch equals the image alone, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/backend.h"

namespace impasto {

/// Weights as stored: rows of `columns` elements side by side, float32, float16 or bfloat16.
struct StoredRows {
  const void* data = nullptr;
  DType dtype = DType::float32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// Where tiles go, and what happens on the way (see Epilogue). Pointers that may be null say so.
struct TileTarget {
  float* out = nullptr;
  std::int64_t out_stride = 0;
  std::int64_t line = 0;  ///< rows that lie out_stride apart, the next as many line_stride further; 0: all do
  std::int64_t line_stride = 0;
  std::int64_t columns = 0;         ///< of out
  std::int64_t rows_per_image = 1;  ///< rows of out that share a row of row_bias
  const float* bias = nullptr;      ///< [columns], gated: [2 * columns]; kBiasPadding more may be read
  const float* row_bias = nullptr;  ///< null for none
  std::int64_t row_bias_stride = 0;
  const float* residual = nullptr;  ///< null for none
  std::int64_t residual_stride = 0;
  Activation activation = Activation::none;
  bool gated = false;

  float* row(std::int64_t r) const { return out + (line == 0 ? r * out_stride : r / line * line_stride + r % line * out_stride); }
};

/// Columns of the weights that are multiplied at once. A convolution's weights are stored channel by channel, `taps` values each; within
/// the block they are taken, like A's columns, all channels under the first tap, then all under the second, ...
struct DepthBlock {
  std::int64_t first = 0;
  std::int64_t count = 0;  ///< a multiple of taps
  int taps = 1;
};

inline constexpr std::int64_t kBiasPadding = 64;

/// What happens to a row of input as it is loaded: x = act(x * scale + shift); null scale and Activation::none for a plain copy.
struct RowMap {
  const float* scale = nullptr;
  const float* shift = nullptr;
  Activation activation = Activation::none;
};

/// The kernels for one ISA.
struct GemmKernels {
  static constexpr int kMaxRows = 32;
  static constexpr int kMaxWidth = 64;

  int rows = 0;   ///< most rows of a tile
  int width = 0;  ///< columns of a tile; gated: half of them are values, half gates
  /// Bytes of widened weights to keep at hand: about half of a core's second-level cache on machines of this ISA.
  std::int64_t panel_bytes = 0;
  /// Most words of a row of A multiplied at once: a tile's rows stay in the first-level cache while panel after panel passes.
  std::int64_t depth = 0;
  /// Rows of A that share widened weights, at least, where there are as many: widening then takes a small part of the time.
  std::int64_t good_rows = 1024;
  /// Columns that blocks of depth are multiples of.
  int depth_unit = 1;
  /// Columns of A in a word of 32 bits: 1 (float32; float16, which stands in it twice) or 2 (bfloat16); words travel as float. A row of an odd
  /// number of columns ends with a zero.
  int columns_per_word = 1;
  /// Floats of a panel that are multiplied with a word: `width`, or half of it where each holds two float16.
  int panel_row = 0;

  /// c[r * width + j] = (add: c[...] +) sum over words k of a[r * lda + k] b[k][j], float32. Indexed by the number of rows, 1..rows.
  /// Adding comes last, so that sums made block by block lose less to rounding than one long chain would. Where A goes through narrow() a kernel may
  /// read and write as if there were `rows` rows: there is memory.
  using Multiply = void (*)(const float* a, std::ptrdiff_t lda, const float* b, std::ptrdiff_t k, float* c);
  Multiply multiply[kMaxRows + 1] = {};
  Multiply multiply_add[kMaxRows + 1] = {};

  /// panel[j * width + i] = weights[first + i][column j of the block] for i below `count`, a multiple of the vector length; rows past the
  /// last repeat it (their products are not stored).
  void (*widen)(const StoredRows& weights, std::int64_t first, int count, const DepthBlock& block, float* panel) = nullptr;

  /// What each thread calls before its first multiplication and after its last. Null for nothing.
  void (*begin)() = nullptr;
  void (*end)() = nullptr;

  /// Rows of A to words, and a widened panel to what is multiplied with them: `columns` rows of it in pairs (bfloat16), or two numbers of a row in a
  /// float (float16). Null for float32.
  void (*narrow)(const float* from, std::int64_t columns, float* words) = nullptr;
  void (*pair)(const float* panel, std::int64_t columns, float* words) = nullptr;

  /// Stores a tile whose first row is row `row` of out and whose first column is `column`; columns past the last are dropped.
  void (*store)(const float* tile, int rows, std::int64_t row, std::int64_t column, const TileTarget& target) = nullptr;

  /// out[i] = map(x[i]) for i below n.
  void (*map_row)(const float* x, std::int64_t n, const RowMap& map, float* out) = nullptr;

  std::int64_t words(std::int64_t columns) const { return (columns + columns_per_word - 1) / columns_per_word; }
  /// Columns of out that one tile makes.
  int out_width(bool gated) const { return gated ? width / 2 : width; }
  /// Widens what the tile at `column` of out needs: `width` weight rows, or as many half-way down again when gated.
  void widen_panel(const StoredRows& weights, std::int64_t column, bool gated, const DepthBlock& block, float* panel) const {
    if (!gated) return widen(weights, column, width, block, panel);
    widen(weights, column, width / 2, block, panel);
    widen(weights, weights.rows / 2 + column, width / 2, block, panel + width / 2);
  }
};

/// For products of float32, bfloat16 or float16 factors; sums are float32, of short ones in float16 where factors are. Without instructions for
/// float16 (see isa.h) those are float32's.
const GemmKernels& gemm_kernels(DType arithmetic = DType::float32);

/// Bias as float32 with room for kBiasPadding more; zeros when there is none.
std::vector<float> padded_bias(const TensorView& bias, std::int64_t count);

/// The target that an operation's arguments describe.
TileTarget tile_target(const TensorView& out, const float* bias, const Epilogue& epilogue, bool gated);

}  // namespace impasto
