// A layer of CLIP's transformers: its texts' and its pictures' have the same.
#pragma once

#include <cstdint>

#include "core/json.h"
#include "nn/layers.h"

namespace impasto {

struct ClipLayerConfig {
  std::int64_t hidden_size = 512, intermediate_size = 2048;
  int heads = 8;
  float layer_norm_eps = 1e-5f;
  Activation activation = Activation::quick_gelu;

  /// Of a config.json, whose names are CLIPTextConfig's and CLIPVisionConfig's; what is missing is as in `defaults`. Throws bad_file, unsupported.
  static ClipLayerConfig parse(const JsonObject& config, const ClipLayerConfig& defaults);
};

class ClipLayer {
 public:
  ClipLayer(const WeightScope& w, const ClipLayerConfig& config);

  /// x [n, tokens, hidden_size] to the same. `causal`: a token sees none that comes after it.
  Tensor operator()(const Tensor& x, bool causal) const;

 private:
  nn::LayerNorm layer_norm1_;
  nn::JoinedLinear qkv_proj_;
  nn::Linear out_proj_;
  nn::LayerNorm layer_norm2_;
  nn::Linear fc1_, fc2_;
  int heads_;
  Activation activation_;
};

}  // namespace impasto
