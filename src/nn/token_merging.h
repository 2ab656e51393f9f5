// Tokens that look alike count as one in self-attention: faster, with another picture (Bolya and Hoffman, "Token Merging for Fast Stable
// Diffusion", 2023).
#pragma once

#include <cstdint>
#include <vector>

#include "ops/ops.h"

namespace impasto::nn {

/// Which tokens of a feature map become one, decided for each image by itself. Of every 2 x 2 square of tokens the upper left one is a target, the
/// others are sources; the sources whose direction comes nearest to a target's, so many that the map loses the share asked for, join that target.
/// The matching is that of the authors' implementation, tomesd, with use_rand=False.
class TokenMerging {
 public:
  static constexpr float kMostMerged = 0.75f;  ///< all sources

  /// x [n, height * width, c]; ratio 0 to kMostMerged: the share of tokens that disappear.
  TokenMerging(const Tensor& x, std::int64_t height, std::int64_t width, float ratio);

  Tensor merge(const Tensor& x) const;                            ///< [n, height * width, c] to [n, kept, c]: means
  Tensor unmerge(const Tensor& y, const Tensor& residual) const;  ///< [n, kept, c] to residual + [n, height * width, c]: each token gets its group's

 private:
  std::int64_t kept_;
  std::vector<std::int32_t> slots_;  // [n, height * width]: which of the kept ones a token belongs to
};

}  // namespace impasto::nn
