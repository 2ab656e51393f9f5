// The residual block of the UNet and the VAE.
#pragma once

#include <cstdint>
#include <optional>

#include "nn/layers.h"

namespace impasto::nn {

/// He et al., 2016, as Ho et al., 2020 use it:
///   h = conv1(silu(norm1(x))) + time;  result = conv2(silu(norm2(h))) + shortcut(x)
class ResnetBlock {
 public:
  struct Config {
    std::int64_t in = 0, out = 0;
    int groups = 32;
    float eps = 1e-5f;
  };

  ResnetBlock(const WeightScope& w, const Config& config);

  /// x [n, h, w, in]; time, which the UNet's blocks project from its embedding for each block, [1 or n, out] or empty; result [n, h, w, out].
  Tensor operator()(const Tensor& x, const Tensor& time = {}) const;

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::optional<Conv2d> conv_shortcut_;  // 1x1, where the width changes
};

}  // namespace impasto::nn
