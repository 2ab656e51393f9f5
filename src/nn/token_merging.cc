#include "nn/token_merging.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace impasto::nn {
namespace {

constexpr std::int64_t kSquare = 2;
constexpr std::int32_t kAlone = -1, kJoins = -2;  // of a token whose slot is not yet known

/// Sources and targets of a map, in reading order. Rows and columns beyond the last whole square are sources, as in tomesd.
struct Roles {
  std::vector<std::int32_t> sources, targets;

  Roles(std::int64_t height, std::int64_t width) {
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        const bool whole = y / kSquare < height / kSquare && x / kSquare < width / kSquare;
        (whole && y % kSquare == 0 && x % kSquare == 0 ? targets : sources).push_back(static_cast<std::int32_t>(y * width + x));
      }
  }
};

}  // namespace

TokenMerging::TokenMerging(const Tensor& x, std::int64_t height, std::int64_t width, float ratio)
    : slots_(static_cast<std::size_t>(x.dim(0) * x.dim(1))) {
  IMPASTO_CHECK(x.shape().rank() == 3 && x.dim(1) == height * width && ratio >= 0);
  const Roles roles(height, width);
  const std::size_t sources = roles.sources.size(), images = static_cast<std::size_t>(x.dim(0)), tokens = static_cast<std::size_t>(x.dim(1));
  const std::size_t asked = static_cast<std::size_t>(static_cast<double>(tokens) * static_cast<double>(ratio));
  const std::size_t merged = roles.targets.empty() ? 0 : std::min(sources, asked);
  kept_ = x.dim(1) - static_cast<std::int64_t>(merged);

  std::vector<std::int32_t> matches(images * sources), order(sources);
  std::vector<float> cosines(images * sources);
  if (merged > 0) x.backend().match_rows(x.view(), roles.sources, roles.targets, matches, cosines);
  for (float& cosine : cosines)
    if (std::isnan(cosine)) cosine = -2;  // of damaged weights: they have to be sorted all the same
  for (std::size_t n = 0; n < images; ++n) {
    const float* const cosine = cosines.data() + n * sources;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return cosine[a] > cosine[b]; });
    std::int32_t* const slots = slots_.data() + n * tokens;
    std::fill(slots, slots + tokens, kAlone);
    for (std::size_t k = 0; k < merged; ++k) slots[roles.sources[static_cast<std::size_t>(order[k])]] = kJoins;
    std::int32_t next = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      if (slots[t] == kAlone) slots[t] = next++;
    for (std::size_t k = 0; k < merged; ++k) {
      const auto source = static_cast<std::size_t>(order[k]);
      slots[roles.sources[source]] = slots[roles.targets[static_cast<std::size_t>(matches[n * sources + source])]];
    }
  }
}

Tensor TokenMerging::merge(const Tensor& x) const {
  IMPASTO_CHECK(x.view().contiguous() && static_cast<std::size_t>(x.dim(0) * x.dim(1)) == slots_.size());
  Tensor out = Tensor::empty(x.backend(), {x.dim(0), kept_, x.dim(2)}, x.dtype());
  x.backend().mean_rows(x.view(), slots_, out.view());
  return out;
}

Tensor TokenMerging::unmerge(const Tensor& y, const Tensor& residual) const {
  IMPASTO_CHECK(y.dim(1) == kept_ && static_cast<std::size_t>(residual.dim(0) * residual.dim(1)) == slots_.size());
  Tensor out = Tensor::empty(y.backend(), residual.shape(), residual.dtype());
  y.backend().spread_rows(y.view(), slots_, residual.view(), out.view());
  return out;
}

}  // namespace impasto::nn
