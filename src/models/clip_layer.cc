#include "models/clip_layer.h"

namespace impasto {

ClipLayer::ClipLayer(const WeightScope& w, const ClipLayerConfig& c)
    : layer_norm1_(w / "layer_norm1", c.hidden_size, c.layer_norm_eps),
      qkv_proj_({{w / "self_attn.q_proj", c.hidden_size}, {w / "self_attn.k_proj", c.hidden_size}, {w / "self_attn.v_proj", c.hidden_size}},
                c.hidden_size),
      out_proj_(w / "self_attn.out_proj", c.hidden_size, c.hidden_size),
      layer_norm2_(w / "layer_norm2", c.hidden_size, c.layer_norm_eps),
      fc1_(w / "mlp.fc1", c.hidden_size, c.intermediate_size),
      fc2_(w / "mlp.fc2", c.intermediate_size, c.hidden_size),
      heads_(c.heads),
      activation_(c.activation) {}

Tensor ClipLayer::operator()(const Tensor& x, bool causal) const {
  const std::vector<Tensor> qkv = qkv_proj_(layer_norm1_(x));
  const Tensor attended = ops::attention(qkv[0], qkv[1], qkv[2], heads_, causal);
  const Tensor h = out_proj_(attended, {.residual = x});
  return fc2_(fc1_(layer_norm2_(h), {.activation = activation_}), {.residual = h});
}

}  // namespace impasto
