#include "models/vae.h"

#include <optional>

#include "core/fail.h"
#include "nn/resnet_block.h"
#include "nn/transformer_block.h"

namespace impasto {

using nn::Conv2d;
using nn::GroupNorm;
using nn::ResnetBlock;

namespace {

constexpr float kNormEps = 1e-6f;
constexpr float kNoVariance = -30;  // its logarithm
/// The encoder pads only below and to the right before it halves a side.
constexpr ConvGeometry kDownsampleConv{.stride = 2, .pad_begin = 0, .pad_end = 1};

ResnetBlock::Config resnet(const VaeConfig& c, std::int64_t in, std::int64_t out) {
  return {.in = in, .out = out, .groups = c.groups, .eps = kNormEps};
}

/// Resnet, one-headed attention over all pixels, resnet.
struct MidBlock {
  ResnetBlock resnet_0;
  GroupNorm norm;
  nn::SelfAttention attention;
  ResnetBlock resnet_1;

  MidBlock(const WeightScope& w, const VaeConfig& c)
      : resnet_0(w / "resnets.0", resnet(c, c.channels.back(), c.channels.back())),
        norm(w / "attentions.0.group_norm", c.channels.back(), c.groups, kNormEps),
        attention(w / "attentions.0", c.channels.back(), /*heads=*/1, /*qkv_bias=*/true),
        resnet_1(w / "resnets.1", resnet(c, c.channels.back(), c.channels.back())) {}

  Tensor operator()(const Tensor& x) const {
    const Tensor h = resnet_0(x);  // [n, h, w, c]
    const Shape map = h.shape(), tokens{map[0], map[1] * map[2], map[3]};
    const Tensor y = norm(h).reshape(tokens);
    return resnet_1(attention(y, h.reshape(tokens)).reshape(map));
  }
};

/// Resnets, then one convolution that halves (encoder) or doubles (decoder) the sides.
struct Level {
  std::vector<ResnetBlock> resnets;
  std::optional<Conv2d> resample;

  Tensor operator()(Tensor h) const {
    for (const ResnetBlock& r : resnets) h = r(h);
    return resample ? (*resample)(h) : h;
  }
};

Level make_level(const WeightScope& w, const VaeConfig& c, std::int64_t in, std::int64_t out, int resnets) {
  Level level;
  for (int j = 0; j < resnets; ++j) level.resnets.emplace_back(w / "resnets" / j, resnet(c, j == 0 ? in : out, out));
  return level;
}

}  // namespace

struct VaeDecoder::Layers {
  std::optional<Conv2d> post_quant_conv;
  Conv2d conv_in;
  MidBlock mid_block;
  std::vector<Level> up_blocks;  // from the deepest level to the first
  GroupNorm conv_norm_out;
  Conv2d conv_out;

  Layers(const WeightScope& root, const VaeConfig& c)
      : conv_in(root / "decoder.conv_in", c.latent_channels, c.channels.back()),
        mid_block(root / "decoder.mid_block", c),
        conv_norm_out(root / "decoder.conv_norm_out", c.channels[0], c.groups, kNormEps),
        conv_out(root / "decoder.conv_out", c.channels[0], c.out_channels) {
    if (c.post_quant_conv) post_quant_conv.emplace(root / "post_quant_conv", c.latent_channels, c.latent_channels, nn::kConv1x1);
    const std::size_t n = c.channels.size();
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t out = c.channels[n - 1 - i], in = i == 0 ? out : c.channels[n - i];
      const WeightScope w = root / "decoder.up_blocks" / static_cast<std::int64_t>(i);
      up_blocks.push_back(make_level(w, c, in, out, c.resnets + 1));
      if (i + 1 < n) up_blocks.back().resample.emplace(w / "upsamplers.0.conv", out, out, nn::kUpsampleConv);
    }
  }
};

struct VaeEncoder::Layers {
  Conv2d conv_in;
  std::vector<Level> down_blocks;
  MidBlock mid_block;
  GroupNorm conv_norm_out;
  Conv2d conv_out;
  std::optional<Conv2d> quant_conv;

  Layers(const WeightScope& root, const VaeConfig& c)
      : conv_in(root / "encoder.conv_in", c.in_channels, c.channels[0]),
        mid_block(root / "encoder.mid_block", c),
        conv_norm_out(root / "encoder.conv_norm_out", c.channels.back(), c.groups, kNormEps),
        conv_out(root / "encoder.conv_out", c.channels.back(), 2 * c.latent_channels) {
    if (c.quant_conv) quant_conv.emplace(root / "quant_conv", 2 * c.latent_channels, 2 * c.latent_channels, nn::kConv1x1);
    const std::size_t n = c.channels.size();
    for (std::size_t i = 0; i < n; ++i) {
      const std::int64_t out = c.channels[i], in = i == 0 ? out : c.channels[i - 1];
      const WeightScope w = root / "encoder.down_blocks" / static_cast<std::int64_t>(i);
      down_blocks.push_back(make_level(w, c, in, out, c.resnets));
      if (i + 1 < n) down_blocks.back().resample.emplace(w / "downsamplers.0.conv", out, out, kDownsampleConv);
    }
  }
};

VaeDecoder::VaeDecoder(const VaeConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : backend_(&backend), weights_(std::move(weights)) {
  const WeightScope root(*weights_, backend);
  if (c.tiny) tiny_ = std::make_unique<const TinyDecoder>(root, *c.tiny);
  if (!c.tiny) layers_ = std::make_unique<const Layers>(root, c);
}
VaeDecoder::~VaeDecoder() = default;
VaeDecoder::VaeDecoder(VaeDecoder&&) noexcept = default;

VaeEncoder::VaeEncoder(const VaeConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : backend_(&backend), weights_(std::move(weights)) {
  const WeightScope root(*weights_, backend);
  if (c.tiny) tiny_ = std::make_unique<const TinyEncoder>(root, *c.tiny);
  if (!c.tiny) layers_ = std::make_unique<const Layers>(root, c);
}
VaeEncoder::~VaeEncoder() = default;
VaeEncoder::VaeEncoder(VaeEncoder&&) noexcept = default;

Tensor VaeDecoder::forward(const Tensor& z) const {
  const Tensor latents = z.on(*backend_);
  if (tiny_) return (*tiny_)(latents);
  const Layers& net = *layers_;
  Tensor h = net.post_quant_conv ? (*net.post_quant_conv)(latents) : latents;  // [n, h, w, 4]
  h = net.mid_block(net.conv_in(h));                                           // [n, h, w, c]
  for (const Level& level : net.up_blocks) {                                   // [n, 8h, 8w, c0]
    backend_->recycle_cached_memory();
    h = level(h);
  }
  return net.conv_norm_out.into(net.conv_out, h, Activation::silu);  // [n, 8h, 8w, 3]
}

Tensor VaeEncoder::forward(const Tensor& image) const { return encode(image.on(*backend_)).on(image.backend()); }

Tensor VaeEncoder::encode(const Tensor& image) const {
  if (tiny_) {
    const Tensor latents = (*tiny_)(image);  // [n, h, w, 4]
    return ops::concat_columns(latents, ops::clamp(latents, kNoVariance, kNoVariance));
  }
  const Layers& net = *layers_;
  Tensor h = net.conv_in(image);                // [n, H, W, c0]
  for (const Level& level : net.down_blocks) {  // [n, H/8, W/8, c]
    h = level(h);
    backend_->recycle_cached_memory();
  }
  h = net.mid_block(h);
  h = net.conv_norm_out.into(net.conv_out, h, Activation::silu);  // [n, H/8, W/8, 8]
  return net.quant_conv ? (*net.quant_conv)(h) : h;
}

}  // namespace impasto
