// Rows chosen by the host: which look alike, their means, and the way back.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/gemm.h"
#include "core/threads.h"

namespace impasto {
namespace {

constexpr std::int64_t kRows = 16;         // handed to a thread at a time
constexpr std::int64_t kScoreRows = 1024;  // sources whose cosines with all targets are held at once

/// Rows of unit length, one below the other; a row of zeros stays one.
void gather_unit_rows(const TensorView& x, std::int64_t first_row, std::span<const std::int32_t> rows, float* out) {
  const std::int64_t c = x.shape.back();
  parallel_for(static_cast<std::int64_t>(rows.size()), kRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* from = x.row(first_row + rows[static_cast<std::size_t>(r)]);
      const double square = std::inner_product(from, from + c, from, 0.0);
      const float factor = square > 0 ? static_cast<float>(1 / std::sqrt(square)) : 0.f;
      for (std::int64_t i = 0; i < c; ++i) out[r * c + i] = from[i] * factor;
    }
  });
}

/// The rows of an image by slot: those of slot s are order[begins[s]] to order[begins[s + 1]].
struct RowsOfSlots {
  std::vector<std::int32_t> begins, order;

  RowsOfSlots(std::span<const std::int32_t> slots, std::int64_t count) : begins(static_cast<std::size_t>(count) + 1), order(slots.size()) {
    for (const std::int32_t s : slots) ++begins[static_cast<std::size_t>(s) + 1];
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    std::vector<std::int32_t> next(begins.begin(), begins.end() - 1);
    for (std::size_t r = 0; r < slots.size(); ++r)
      order[static_cast<std::size_t>(next[static_cast<std::size_t>(slots[r])]++)] = static_cast<std::int32_t>(r);
  }
};

}  // namespace

void CpuBackend::match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets,
                            std::span<std::int32_t> matches, std::span<float> cosines) {
  const std::int64_t c = x.shape[2], num_targets = static_cast<std::int64_t>(targets.size());
  const std::int64_t chunk = std::min<std::int64_t>(kScoreRows, static_cast<std::int64_t>(sources.size()));
  const Scratch target_rows(pool_, targets.size() * static_cast<std::size_t>(c)), source_rows(pool_, static_cast<std::size_t>(chunk * c));
  const Scratch scores(pool_, static_cast<std::size_t>(chunk * num_targets));
  const std::vector<float> no_bias = padded_bias({}, num_targets);
  for (std::int64_t n = 0; n < x.shape[0]; ++n) {
    gather_unit_rows(x, n * x.shape[1], targets, target_rows.data());
    for (std::size_t first = 0; first < sources.size(); first += static_cast<std::size_t>(chunk)) {
      const auto part = sources.subspan(first, std::min(static_cast<std::size_t>(chunk), sources.size() - first));
      const auto rows = static_cast<std::int64_t>(part.size());
      gather_unit_rows(x, n * x.shape[1], part, source_rows.data());
      const TensorView out(scores.data(), DType::float32, {rows, num_targets});
      gemm(pool_, gemm_kernels(DType::float32), DenseRows(source_rows.data(), c), rows, {target_rows.data(), DType::float32, num_targets, c},
           /*taps=*/1, tile_target(out, no_bias.data(), {}, false));
      const std::size_t at = static_cast<std::size_t>(n) * sources.size() + first;
      parallel_for(rows, kRows, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
          const float* best = std::max_element(out.row(r), out.row(r) + num_targets);
          matches[at + static_cast<std::size_t>(r)] = static_cast<std::int32_t>(best - out.row(r));
          cosines[at + static_cast<std::size_t>(r)] = *best;
        }
      });
    }
  }
}

void CpuBackend::mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) {
  const std::int64_t rows = x.shape[1], count = out.shape[1], c = x.shape[2];
  for (std::int64_t n = 0; n < x.shape[0]; ++n) {
    const RowsOfSlots of(slots.subspan(static_cast<std::size_t>(n * rows), static_cast<std::size_t>(rows)), count);
    parallel_for(count, kRows, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t s = begin; s < end; ++s) {
        const std::int32_t* row = of.order.data() + of.begins[static_cast<std::size_t>(s)];
        const std::int32_t* const last = of.order.data() + of.begins[static_cast<std::size_t>(s) + 1];
        float* const to = out.row(n * count + s);
        const auto rows_of_slot = static_cast<float>(last - row);
        std::memcpy(to, x.row(n * rows + *row), static_cast<std::size_t>(c) * sizeof(float));
        if (last - row == 1) continue;
        while (++row != last)
          for (std::int64_t i = 0; i < c; ++i) to[i] += x.row(n * rows + *row)[i];
        for (std::int64_t i = 0; i < c; ++i) to[i] /= rows_of_slot;
      }
    });
  }
}

void CpuBackend::spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) {
  const std::int64_t rows = out.shape[1], c = out.shape[2];
  parallel_for(out.rows(), kRows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float *from = x.row(r / rows * x.shape[1] + slots[static_cast<std::size_t>(r)]), *more = residual.row(r);
      float* const to = out.row(r);
      for (std::int64_t i = 0; i < c; ++i) to[i] = from[i] + more[i];
    }
  });
}

}  // namespace impasto
