#include "backend/cpu/gemm.h"

#include <algorithm>
#include <atomic>

#include "core/threads.h"

namespace impasto {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The output cut into blocks of panels (columns) and chunks of rows; a thread takes a block times a chunk at a time.
///
/// A block's widened weights stay in the second-level cache while a chunk's rows pass over them once, so a row is read from afar once per
/// block. Widening costs about 0.8 cycles an element, multiplying chunk / 16 (16 multiply-adds a cycle): chunks of 192 rows or more
/// keep it below 7 %. Eight pieces a thread keep threads busy to the end when one is slower.
struct Plan {
  std::int64_t panels, panels_per_block, blocks, rows_per_chunk, chunks;

  Plan(const GemmKernels& kernels, std::int64_t row_count, const StoredRows& weights, const TileTarget& target) {
    const std::int64_t pieces = 8 * num_threads(), most_chunks = std::max<std::int64_t>(1, row_count / 192);
    panels = ceil_div(target.columns, kernels.out_width(target.gated));
    const std::int64_t panel_bytes = weights.columns * kernels.width * static_cast<std::int64_t>(sizeof(float));
    const std::int64_t fitting = std::max<std::int64_t>(1, kernels.panel_bytes / std::max<std::int64_t>(1, panel_bytes));
    blocks = std::min(panels, std::max(ceil_div(panels, fitting), ceil_div(pieces, most_chunks)));
    panels_per_block = ceil_div(panels, blocks);
    blocks = ceil_div(panels, panels_per_block);
    chunks = std::clamp<std::int64_t>(ceil_div(pieces, blocks), 1, most_chunks);
    rows_per_chunk = ceil_div(ceil_div(row_count, chunks), kernels.rows) * kernels.rows;
    chunks = ceil_div(row_count, rows_per_chunk);
  }
};

struct Product {
  const GemmKernels& kernels;
  const RowSource& a;
  std::int64_t row_count;
  const StoredRows& weights;
  int taps;
  const TileTarget& target;

  std::int64_t panel_floats() const { return weights.columns * kernels.width; }

  /// Asks for the lines that a tile will be stored to before it is computed: a store that misses waits for its line to come from memory.
  /// Worth 4 % where rows are short (320 channels), nothing where they are long.
  void expect_stores(std::int64_t row, int count, std::int64_t column) const {
    const float* out = target.out + row * target.out_stride + column;
    for (int r = 0; r < count; ++r, out += target.out_stride) {
      __builtin_prefetch(out, /*rw=*/1);
      __builtin_prefetch(out + kernels.out_width(target.gated) - 1, /*rw=*/1);
    }
  }

  void run(const Plan& plan, std::int64_t block, std::int64_t chunk, float* panels, float* rows) const {
    const std::int64_t first = block * plan.panels_per_block, last = std::min(plan.panels, first + plan.panels_per_block);
    const int out_width = kernels.out_width(target.gated);
    for (std::int64_t p = first; p < last; ++p)
      kernels.widen_panel(weights, p * out_width, target.gated, taps, panels + (p - first) * panel_floats());

    alignas(64) float tile[GemmKernels::kMaxRows * GemmKernels::kMaxWidth];
    const std::int64_t end = std::min(row_count, (chunk + 1) * plan.rows_per_chunk);
    for (std::int64_t row = chunk * plan.rows_per_chunk; row < end; row += kernels.rows) {
      const int count = static_cast<int>(std::min<std::int64_t>(kernels.rows, end - row));
      std::ptrdiff_t stride = 0;
      const float* x = a.rows(row, count, rows, &stride);
      for (std::int64_t p = first; p < last; ++p) {
        expect_stores(row, count, p * out_width);
        kernels.multiply[count](x, stride, panels + (p - first) * panel_floats(), weights.columns, tile);
        kernels.store(tile, count, row, p * out_width, target);
      }
    }
  }
};

}  // namespace

const float* DenseRows::rows(std::int64_t row, int, float*, std::ptrdiff_t* stride) const {
  *stride = stride_;
  return data_ + row * stride_;
}

std::int64_t DenseRows::scratch_floats(int) const { return 0; }

void gemm(BlockPool& pool, const RowSource& a, std::int64_t row_count, const StoredRows& weights, int taps, const TileTarget& target) {
  if (row_count == 0) return;
  const GemmKernels& kernels = gemm_kernels();
  const Plan plan(kernels, row_count, weights, target);
  const Product product{kernels, a, row_count, weights, taps, target};
  std::atomic<std::int64_t> next{0};
  parallel_run([&](int, int) {
    const Scratch panels(pool, static_cast<std::size_t>(plan.panels_per_block * product.panel_floats()));
    const Scratch rows(pool, static_cast<std::size_t>(a.scratch_floats(kernels.rows)));
    for (std::int64_t i; (i = next.fetch_add(1)) < plan.blocks * plan.chunks;)
      product.run(plan, i / plan.chunks, i % plan.chunks, panels.data(), rows.data());
  });
}

}  // namespace impasto
