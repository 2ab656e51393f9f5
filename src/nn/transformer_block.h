// The transformer of the UNet: feature maps attend to themselves and to the prompt.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/layers.h"
#include "nn/token_merging.h"

namespace impasto::nn {

/// Keys and values of a picture, for one cross-attention (IP-Adapter; Ye et al., 2023); empty where it does not count.
struct PictureKeyValue {
  Tensor key, value;  // [n, t, c]; the values are scaled by how much it counts
};

/// Keys and values of the prompt for one cross-attention: the same at every step, so projected once.
struct KeyValue {
  Tensor key, value;                           // [n, t, c]
  std::vector<PictureKeyValue> pictures = {};  // beside the prompt, each by a softmax of its own
};

/// Multi-head attention to oneself with its projections (Vaswani et al., 2017), as wide inside as outside; q, k, v carry no bias unless asked for.
class SelfAttention {
 public:
  SelfAttention(const WeightScope& w, std::int64_t channels, int heads, bool qkv_bias = false);

  /// x [n, t, channels]; the result has `residual` added, if there is one.
  Tensor operator()(const Tensor& x, const Tensor& residual = {}) const {
    const std::vector<Tensor> qkv = to_qkv_(x);
    return to_out_(ops::attention(qkv[0], qkv[1], qkv[2], heads_), {.residual = residual});
  }

 private:
  int heads_;
  JoinedLinear to_qkv_;
  Linear to_out_;
};

/// The same to something else.
class CrossAttention {
 public:
  CrossAttention(const WeightScope& w, std::int64_t channels, std::int64_t context_channels, int heads);

  KeyValue project(const Tensor& context) const { return {to_k_(context), to_v_(context)}; }
  /// x [n, t, channels]; the result has `residual` added, if there is one.
  Tensor operator()(const Tensor& x, const KeyValue& context, const Tensor& residual = {}) const;

 private:
  int heads_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

/// Normalise, attend to oneself; normalise, attend to the prompt; normalise, feed forward (GEGLU). Each adds to x.
class TransformerBlock {
 public:
  TransformerBlock(const WeightScope& w, std::int64_t channels, int heads, std::int64_t context_channels);

  KeyValue project(const Tensor& context) const { return attn2_.project(context); }
  /// x [n, t, c]; where the context has more images than x, the result has them too: x is the same for all until they meet. With `merging`, made
  /// of x, tokens attend to themselves in groups.
  Tensor operator()(const Tensor& x, const KeyValue& context, const TokenMerging* merging = nullptr) const;

 private:
  Tensor attend_to_itself(const Tensor& x, const TokenMerging* merging) const;

  LayerNorm norm1_;
  SelfAttention attn1_;
  LayerNorm norm2_;
  CrossAttention attn2_;
  LayerNorm norm3_;
  GegluLinear ff_in_;
  Linear ff_out_;
};

/// A feature map through `layers` transformer blocks, added to itself (Rombach et al., 2022). proj_in and proj_out are 1x1 convolutions
/// in SD 1.x and linear layers in SD 2.x: in NHWC the two are the same product.
class Transformer2d {
 public:
  struct Config {
    std::int64_t channels = 0, context_channels = 0;
    int heads = 8, layers = 1, groups = 32;
  };

  Transformer2d(const WeightScope& w, const Config& config);

  /// Appends one KeyValue per block. context [n, t, context_channels]
  void project(const Tensor& context, std::vector<KeyValue>& out) const;
  /// x [n, h, w, c]; takes its blocks' keys and values from `context`, in project()'s order. `merging`: TokenMerging's ratio, 0 for none.
  Tensor operator()(const Tensor& x, const KeyValue*& context, float merging = 0) const;

 private:
  GroupNorm norm_;
  Conv2d proj_in_;
  std::vector<TransformerBlock> blocks_;
  Linear proj_out_;
};

}  // namespace impasto::nn
