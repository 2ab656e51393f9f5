#include "models/clip_layer.h"

#include <string>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {

ClipLayerConfig ClipLayerConfig::parse(const JsonObject& c, const ClipLayerConfig& defaults) {
  constexpr std::int64_t kMost = 1 << 20;
  ClipLayerConfig out;
  out.hidden_size = c.integer("hidden_size", defaults.hidden_size, 1, kMost);
  out.intermediate_size = c.integer("intermediate_size", defaults.intermediate_size, 1, kMost);
  out.heads = static_cast<int>(c.integer("num_attention_heads", defaults.heads, 1, kMost));
  out.layer_norm_eps = static_cast<float>(c.number("layer_norm_eps", defaults.layer_norm_eps));
  const std::string act = c.text("hidden_act", "quick_gelu");
  if (act != "quick_gelu" && act != "gelu")
    fail(ErrorKind::unsupported, c.where(), ": \"hidden_act\" is ", printable(act), "; supported are quick_gelu and gelu");
  out.activation = act == "gelu" ? Activation::gelu : Activation::quick_gelu;
  if (out.hidden_size % out.heads != 0)
    fail(ErrorKind::bad_file, c.where(), ": \"hidden_size\" ", out.hidden_size, " does not divide into ", out.heads, " heads");
  return out;
}

ClipLayer::ClipLayer(const WeightScope& w, const ClipLayerConfig& c)
    : layer_norm1_(w / "layer_norm1", c.hidden_size, c.layer_norm_eps),
      q_proj_(w / "self_attn.q_proj", c.hidden_size, c.hidden_size),
      k_proj_(w / "self_attn.k_proj", c.hidden_size, c.hidden_size),
      v_proj_(w / "self_attn.v_proj", c.hidden_size, c.hidden_size),
      out_proj_(w / "self_attn.out_proj", c.hidden_size, c.hidden_size),
      layer_norm2_(w / "layer_norm2", c.hidden_size, c.layer_norm_eps),
      fc1_(w / "mlp.fc1", c.hidden_size, c.intermediate_size),
      fc2_(w / "mlp.fc2", c.intermediate_size, c.hidden_size),
      heads_(c.heads),
      activation_(c.activation) {}

Tensor ClipLayer::operator()(const Tensor& x, bool causal) const {
  const Tensor y = layer_norm1_(x);
  const Tensor attended = ops::attention(q_proj_(y), k_proj_(y), v_proj_(y), heads_, causal);
  const Tensor h = out_proj_(attended, {.residual = x});
  return fc2_(fc1_(layer_norm2_(h), {.activation = activation_}), {.residual = h});
}

}  // namespace impasto
