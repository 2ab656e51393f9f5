#include "nn/resnet_block.h"

namespace impasto::nn {

ResnetBlock::ResnetBlock(const WeightScope& w, const Config& c)
    : norm1_(w / "norm1", c.in, c.groups, c.eps),
      conv1_(w / "conv1", c.in, c.out),
      norm2_(w / "norm2", c.out, c.groups, c.eps),
      conv2_(w / "conv2", c.out, c.out) {
  if (c.time_channels > 0) time_emb_proj_.emplace(w / "time_emb_proj", c.time_channels, c.out);
  if (c.in != c.out) conv_shortcut_.emplace(w / "conv_shortcut", c.in, c.out, kConv1x1);
}

Tensor ResnetBlock::operator()(const Tensor& x, const Tensor& silu_time) const {
  const Tensor time = time_emb_proj_ ? ops::tile_images((*time_emb_proj_)(silu_time), x.dim(0)) : Tensor();  // [n, out]
  const Tensor h = conv1_(x, norm1_.then(x, Activation::silu), {.row_bias = time});                          // [n, h, w, out]
  const Tensor shortcut = conv_shortcut_ ? (*conv_shortcut_)(x) : x;                                         // [n, h, w, out]
  return conv2_(h, norm2_.then(h, Activation::silu), {.residual = shortcut});
}

}  // namespace impasto::nn
