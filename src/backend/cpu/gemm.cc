#include "backend/cpu/gemm.h"

#include <algorithm>
#include <atomic>

#include "core/threads.h"

namespace impasto {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The sums cut three ways: blocks of panels (columns of the output), chunks of rows, blocks of depth (columns of A). A thread takes a block
/// of panels times a chunk of rows at a time, all of its depth.
///
/// Panels: a block's widened weights stay in the second-level cache while the rows of a chunk pass over them. Depth: a tile's rows stay in the
/// first-level cache while the panels pass. Chunks: widening costs about 0.8 cycles an element, multiplying chunk / 16 (16 multiply-adds a
/// cycle), 1 % at good_rows; rather than cut rows finer, take fewer panels, down to one. Four pieces a thread keep threads
/// busy to the end when one is slower.
struct Plan {
  static constexpr std::int64_t kLeastChunk = 192;

  std::int64_t depth, depths;  // columns in a block of depth but the last, blocks
  std::int64_t panels, panels_per_block, blocks, rows_per_chunk, chunks;

  Plan(const GemmKernels& kernels, std::int64_t row_count, const StoredRows& weights, int taps, const TileTarget& target) {
    const std::int64_t unit = taps == 1 ? kernels.depth_unit : std::max(16, kernels.depth_unit) * taps;  // whole vectors of channels
    const std::int64_t most = kernels.depth * kernels.columns_per_word;
    depths = std::max<std::int64_t>(1, ceil_div(weights.columns, std::max(unit, most / unit * unit)));
    depth = ceil_div(ceil_div(weights.columns, depths), unit) * unit;
    depths = std::max<std::int64_t>(1, ceil_div(weights.columns, depth));

    const std::int64_t pieces = 4 * num_threads();
    panels = ceil_div(target.columns, kernels.out_width(target.gated));
    const std::int64_t panel_bytes = kernels.words(depth) * kernels.panel_row * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t fitting = std::max<std::int64_t>(1, kernels.panel_bytes / std::max<std::int64_t>(1, panel_bytes));
    const std::int64_t good_chunks = std::clamp<std::int64_t>(row_count / kernels.good_rows, 1, pieces);
    blocks = std::min(panels, std::max(ceil_div(panels, fitting), ceil_div(pieces, good_chunks)));
    panels_per_block = ceil_div(panels, blocks);
    blocks = ceil_div(panels, panels_per_block);
    chunks = std::clamp<std::int64_t>(ceil_div(pieces, blocks), 1, std::max<std::int64_t>(1, row_count / kLeastChunk));
    rows_per_chunk = ceil_div(ceil_div(row_count, chunks), kernels.rows) * kernels.rows;
    chunks = ceil_div(row_count, rows_per_chunk);
  }
};

class Product {
 public:
  Product(BlockPool& pool, const GemmKernels& kernels, const RowSource& a, std::int64_t row_count, const StoredRows& weights, int taps,
          const TileTarget& target)
      : pool_(pool),
        kernels_(kernels),
        a_(a),
        row_count_(row_count),
        weights_(weights),
        taps_(taps),
        target_(target),
        plan_(kernels, row_count, weights, taps, target),
        out_width_(kernels.out_width(target.gated)) {}

  void run() const {
    const std::int64_t narrow = kernels_.narrow == nullptr ? 0 : kernels_.rows * narrow_stride();
    const std::int64_t wide = kernels_.pair == nullptr ? 0 : wide_columns() * kernels_.width;
    const std::int64_t sums = plan_.depths == 1 ? tile_floats() : plan_.rows_per_chunk * block_width();
    const ThreadScratch scratch(pool_, {plan_.panels_per_block * panel_floats(), wide, a_.scratch_floats(kernels_.rows, plan_.depth), narrow, sums});
    std::atomic<std::int64_t> next{0};
    parallel_run([&](int thread, int) {
      if (thread >= scratch.threads()) return;
      const auto part = [&](int index) { return scratch.part(thread, index); };
      const Memory memory{part(0), part(1), part(2), part(3), part(4)};
      if (kernels_.begin != nullptr) kernels_.begin();
      for (std::int64_t i; (i = next.fetch_add(1)) < plan_.blocks * plan_.chunks;) multiply_piece(i / plan_.chunks, i % plan_.chunks, memory);
      if (kernels_.end != nullptr) kernels_.end();
    });
  }

 private:
  /// Of one thread: weights of a block (and some of them on their way to 16 bits), rows of a tile (in float32, in words), and the sums so far: of one
  /// tile where depth is not cut, else of all tiles of a piece.
  struct Memory {
    float *panels, *wide, *rows, *narrow, *sums;
  };

  std::int64_t panel_floats() const { return kernels_.words(plan_.depth) * kernels_.panel_row; }
  std::int64_t narrow_stride() const { return spread_stride(kernels_.words(plan_.depth)); }
  /// Columns of weights that are widened before they are narrowed: few, to stay in the first-level cache; all where taps come between.
  std::int64_t wide_columns() const { return taps_ == 1 ? 64 : plan_.depth; }
  std::int64_t tile_floats() const { return kernels_.rows * kernels_.width; }
  std::int64_t block_width() const { return plan_.panels_per_block * kernels_.width; }

  void multiply_piece(std::int64_t block, std::int64_t chunk, const Memory& memory) const {
    const std::int64_t first = block * plan_.panels_per_block, last = std::min(plan_.panels, first + plan_.panels_per_block);
    const std::int64_t begin = chunk * plan_.rows_per_chunk, end = std::min(row_count_, begin + plan_.rows_per_chunk);
    for (std::int64_t i = 0; i < plan_.depths; ++i) {
      const DepthBlock depth{i * plan_.depth, std::min(plan_.depth, weights_.columns - i * plan_.depth), taps_};
      for (std::int64_t p = first; p < last; ++p) load_panel(p * out_width_, depth, memory.panels + (p - first) * panel_floats(), memory.wide);
      for (std::int64_t row = begin; row < end; row += kernels_.rows) {
        Memory here = memory;
        if (plan_.depths > 1) here.sums += (row - begin) * block_width();
        multiply_rows(row, static_cast<int>(std::min<std::int64_t>(kernels_.rows, end - row)), first, last, depth, here);
      }
    }
  }

  void load_panel(std::int64_t column, const DepthBlock& depth, float* panel, float* wide) const {
    if (kernels_.pair == nullptr) return kernels_.widen_panel(weights_, column, target_.gated, depth, panel);
    for (std::int64_t i = 0; i < depth.count; i += wide_columns()) {
      const DepthBlock part{depth.first + i, std::min(wide_columns(), depth.count - i), taps_};
      kernels_.widen_panel(weights_, column, target_.gated, part, wide);
      kernels_.pair(wide, part.count, panel + kernels_.words(i) * kernels_.panel_row);
    }
  }

  /// A's rows of a tile, in words.
  const float* load_rows(std::int64_t row, int count, const DepthBlock& depth, const Memory& memory, std::ptrdiff_t* stride) const {
    const float* const x = a_.rows(row, count, depth, memory.rows, stride);
    if (kernels_.narrow == nullptr) return x;
    for (int r = 0; r < count; ++r) {
      const float* const next = x + (r + count) * *stride;
      for (std::int64_t i = 0; i < depth.count; i += 16) __builtin_prefetch(next + i, /*rw=*/0, /*locality=*/2);
      kernels_.narrow(x + r * *stride, depth.count, memory.narrow + r * narrow_stride());
    }
    *stride = narrow_stride();
    return memory.narrow;
  }

  /// A tile's rows times panels first..last - 1.
  void multiply_rows(std::int64_t row, int count, std::int64_t first, std::int64_t last, const DepthBlock& depth, const Memory& memory) const {
    const bool begins = depth.first == 0, ends = depth.first + depth.count == weights_.columns;
    const auto multiply = begins ? kernels_.multiply[count] : kernels_.multiply_add[count];
    std::ptrdiff_t stride = 0;
    const float* const x = load_rows(row, count, depth, memory, &stride);
    for (std::int64_t p = first; p < last; ++p) {
      float* const tile = memory.sums + (plan_.depths == 1 ? 0 : (p - first) * tile_floats());
      if (ends) expect_stores(row, count, p * out_width_);
      multiply(x, stride, memory.panels + (p - first) * panel_floats(), kernels_.words(depth.count), tile);
      if (ends) kernels_.store(tile, count, row, p * out_width_, target_);
    }
  }

  /// Asks for the lines that a tile will be stored to before it is computed: a store that misses waits for its line to come from memory.
  /// Worth 4 % where rows are short (320 channels), nothing where they are long.
  void expect_stores(std::int64_t row, int count, std::int64_t column) const {
    for (int r = 0; r < count; ++r) {
      const float* const out = target_.row(row + r) + column;
      __builtin_prefetch(out, /*rw=*/1);
      __builtin_prefetch(out + out_width_ - 1, /*rw=*/1);
    }
  }

  BlockPool& pool_;
  const GemmKernels& kernels_;
  const RowSource& a_;
  std::int64_t row_count_;
  const StoredRows& weights_;
  int taps_;
  const TileTarget& target_;
  Plan plan_;
  int out_width_;
};

}  // namespace

// A first-level cache of 64 sets has few places for lines that lie a multiple of 2 KiB apart: rows of 2560 or 5120 channels evict each other
// there (feed-forward layers ran at 0.73 of the speed on Zen 4). Such rows are copied first.
DenseRows::DenseRows(const float* data, std::ptrdiff_t stride) : data_(data), stride_(stride), copies_(stride % 1024 == 0) {}

const float* DenseRows::rows(std::int64_t row, int count, const DepthBlock& block, float* scratch, std::ptrdiff_t* stride) const {
  const float* const from = data_ + row * stride_ + block.first;
  *stride = copies_ ? spread_stride(block.count) : stride_;
  if (!copies_) return from;
  for (int i = 0; i < count; ++i) {
    const float* const next = from + (i + count) * stride_;
    for (std::int64_t j = 0; j < block.count; j += 16) __builtin_prefetch(next + j, /*rw=*/0, /*locality=*/2);
    std::copy_n(from + i * stride_, block.count, scratch + i * *stride);
  }
  return scratch;
}

std::int64_t DenseRows::scratch_floats(int max_rows, std::int64_t depth) const { return copies_ ? max_rows * spread_stride(depth) : 0; }

void gemm(BlockPool& pool, const GemmKernels& kernels, const RowSource& a, std::int64_t row_count, const StoredRows& weights, int taps,
          const TileTarget& target) {
  if (row_count != 0) Product(pool, kernels, a, row_count, weights, taps, target).run();
}

}  // namespace impasto
