#include "nn/transformer_block.h"

#include <optional>

namespace impasto::nn {
namespace {

constexpr float kLayerNormEps = 1e-5f;
constexpr float kGroupNormEps = 1e-6f;  // of the transformer, whatever the UNet's own norm_eps

}  // namespace

SelfAttention::SelfAttention(const WeightScope& w, std::int64_t channels, int heads, bool qkv_bias)
    : heads_(heads),
      to_qkv_({{w / "to_q", channels}, {w / "to_k", channels}, {w / "to_v", channels}}, channels, qkv_bias),
      to_out_(w / "to_out.0", channels, channels) {}

CrossAttention::CrossAttention(const WeightScope& w, std::int64_t channels, std::int64_t context_channels, int heads)
    : heads_(heads),
      to_q_(w / "to_q", channels, channels, /*bias=*/false),
      to_k_(w / "to_k", context_channels, channels, /*bias=*/false),
      to_v_(w / "to_v", context_channels, channels, /*bias=*/false),
      to_out_(w / "to_out.0", channels, channels) {}

Tensor CrossAttention::operator()(const Tensor& x, const KeyValue& context, const Tensor& residual) const {
  const Tensor q = to_q_(x), attended = ops::attention(q, context.key, context.value, heads_);
  for (const PictureKeyValue& picture : context.pictures)
    if (picture.key) ops::add_into(attended, ops::attention(q, picture.key, picture.value, heads_));
  return to_out_(attended, {.residual = residual});
}

TransformerBlock::TransformerBlock(const WeightScope& w, std::int64_t channels, int heads, std::int64_t context_channels)
    : norm1_(w / "norm1", channels, kLayerNormEps),
      attn1_(w / "attn1", channels, heads),
      norm2_(w / "norm2", channels, kLayerNormEps),
      attn2_(w / "attn2", channels, context_channels, heads),
      norm3_(w / "norm3", channels, kLayerNormEps),
      ff_in_(w / "ff.net.0.proj", channels, 4 * channels),
      ff_out_(w / "ff.net.2", 4 * channels, channels) {}

Tensor TransformerBlock::attend_to_itself(const Tensor& x, const TokenMerging* merging) const {
  const Tensor y = norm1_(x);
  if (merging == nullptr) return attn1_(y, x);
  return merging->unmerge(attn1_(merging->merge(y)), x);
}

Tensor TransformerBlock::operator()(const Tensor& x, const KeyValue& context, const TokenMerging* merging) const {
  const Tensor a = ops::tile_images(attend_to_itself(x, merging), context.key.dim(0));
  const Tensor b = attn2_(norm2_(a), context, a);
  return ff_out_(ff_in_(norm3_(b)), {.residual = b});
}

Transformer2d::Transformer2d(const WeightScope& w, const Config& c)
    : norm_(w / "norm", c.channels, c.groups, kGroupNormEps),
      proj_in_(w / "proj_in", c.channels, c.channels, kConv1x1),
      proj_out_(w / "proj_out", c.channels, c.channels) {
  for (int i = 0; i < c.layers; ++i) blocks_.emplace_back(w / "transformer_blocks" / i, c.channels, c.heads, c.context_channels);
}

void Transformer2d::project(const Tensor& context, std::vector<KeyValue>& out) const {
  for (const TransformerBlock& block : blocks_) out.push_back(block.project(context));
}

Tensor Transformer2d::operator()(const Tensor& x, const KeyValue*& context, float merging) const {
  const Shape map = x.shape();
  const Shape tokens{map[0], map[1] * map[2], map[3]};
  Tensor h = norm_.into(proj_in_, x, Activation::none).reshape(tokens);  // [n, h * w, c]
  for (const TransformerBlock& block : blocks_) {
    const auto merged = merging > 0 ? std::optional<TokenMerging>(std::in_place, h, map[1], map[2], merging) : std::nullopt;
    h = block(h, *context++, merged ? &*merged : nullptr);
  }
  const Tensor residual = ops::tile_images(x.reshape(tokens), h.dim(0));
  return proj_out_(h, {.residual = residual}).reshape({h.dim(0), map[1], map[2], map[3]});
}

}  // namespace impasto::nn
