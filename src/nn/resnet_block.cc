#include "nn/resnet_block.h"

namespace impasto::nn {

ResnetBlock::ResnetBlock(const WeightScope& w, const Config& c)
    : norm1_(w / "norm1", c.in, c.groups, c.eps),
      conv1_(w / "conv1", c.in, c.out),
      norm2_(w / "norm2", c.out, c.groups, c.eps),
      conv2_(w / "conv2", c.out, c.out) {
  if (c.in != c.out) conv_shortcut_.emplace(w / "conv_shortcut", c.in, c.out, kConv1x1);
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& time) const {
  const Tensor row = time && time.dim(0) == 1 ? time.repeated(x.dim(0)) : time;  // [n, out]
  const Tensor h = norm1_.into(conv1_, x, Activation::silu, {.row_bias = row});  // [n, h, w, out]
  const Tensor shortcut = conv_shortcut_ ? (*conv_shortcut_)(x) : x;             // [n, h, w, out]
  return norm2_.into(conv2_, h, Activation::silu, {.residual = shortcut});
}

}  // namespace impasto::nn
