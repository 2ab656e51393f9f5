// A range of a feature map's channels, in memory of its own.
#pragma once

#include "core/fail.h"
#include "ops/ops.h"

namespace impasto {

/// Channels begin .. begin + count of x [..., c]; at least two.
inline Tensor copied_columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  IMPASTO_CHECK(count >= 2);
  return ops::concat_columns(x.columns(begin, 1), x.columns(begin + 1, count - 1));  // takes ranges, and gives a tensor without gaps
}

}  // namespace impasto
