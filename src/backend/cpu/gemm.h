// out = A W^T through the epilogue, A row by row from wherever it comes: the loops and the sharing out of work around gemm_kernels.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/block_pool.h"
#include "backend/cpu/gemm_kernels.h"

namespace impasto {

/// The rows of A.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// Where the block's columns of rows `row`... `row + count - 1` lie, `*stride` floats apart: in place, or made in `scratch`, which holds
  /// scratch_floats(count, block.count).
  virtual const float* rows(std::int64_t row, int count, const DepthBlock& block, float* scratch, std::ptrdiff_t* stride) const = 0;
  virtual std::int64_t scratch_floats(int max_rows, std::int64_t depth) const = 0;
};

/// Rows that lie ready in memory.
class DenseRows final : public RowSource {
 public:
  DenseRows(const float* data, std::ptrdiff_t stride);
  const float* rows(std::int64_t row, int count, const DepthBlock& block, float* scratch, std::ptrdiff_t* stride) const override;
  std::int64_t scratch_floats(int max_rows, std::int64_t depth) const override;

 private:
  const float* data_;
  std::ptrdiff_t stride_;
  bool copies_;  // rows, into scratch
};

/// A distance for copied rows at which the same column of several rows falls into different sets of the first-level cache.
inline std::ptrdiff_t spread_stride(std::int64_t columns) { return static_cast<std::ptrdiff_t>(((columns + 15) / 16 | 1) * 16); }

/// Multiplies `row_count` rows of `a` with `weights` (see DepthBlock for `taps`) into `target`.
void gemm(BlockPool& pool, const GemmKernels& kernels, const RowSource& a, std::int64_t row_count, const StoredRows& weights, int taps,
          const TileTarget& target);

}  // namespace impasto
