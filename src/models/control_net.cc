#include "models/control_net.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/fail.h"
#include "models/unet_blocks.h"

namespace impasto {

using nn::Conv2d;
using nn::KeyValue;
using nn::Transformer2d;

namespace {

/// A picture brought down to the latents' size by convolutions with silu between them.
struct ConditioningEmbedding {
  Conv2d conv_in;
  std::vector<Conv2d> blocks;  // in pairs: one keeps size and width, one halves the size and widens
  Conv2d conv_out;

  ConditioningEmbedding(const WeightScope& w, const ControlNetConfig& c)
      : conv_in(w / "conv_in", c.conditioning_channels, c.embedding_channels.front()),
        conv_out(w / "conv_out", c.embedding_channels.back(), c.unet.levels[0].channels) {
    for (std::size_t i = 0; i + 1 < c.embedding_channels.size(); ++i) {
      const std::int64_t in = c.embedding_channels[i], out = c.embedding_channels[i + 1], place = 2 * static_cast<std::int64_t>(i);
      blocks.emplace_back(w / "blocks" / place, in, in);
      blocks.emplace_back(w / "blocks" / (place + 1), in, out, ConvGeometry{.stride = 2});
    }
  }

  Tensor operator()(const Tensor& picture) const {
    const ops::Fused silu{.activation = Activation::silu};
    Tensor h = conv_in(picture, {}, silu);
    for (const Conv2d& block : blocks) h = block(h, {}, silu);
    return conv_out(h);
  }
};

}  // namespace

ControlNetConfig ControlNetConfig::parse(const JsonObject& c) {
  ControlNetConfig out;
  if (c.text("controlnet_conditioning_channel_order", "rgb") != "rgb" || c.boolean("global_pool_conditions", false))
    fail(ErrorKind::unsupported, c.where(),
         ": \"controlnet_conditioning_channel_order\" other than rgb, and \"global_pool_conditions\", are not supported");
  const std::size_t levels = c.integers("block_out_channels", {320, 640, 1280, 1280}, 1, 1 << 16).size();
  out.unet = UNetConfig::parse(c.with("up_block_types", Json(std::vector<std::string>(levels, "UpBlock2D"))));  // it has no way up
  out.conditioning_channels = c.integer("conditioning_channels", 3, 1, 1 << 16);
  out.embedding_channels = c.integers("conditioning_embedding_out_channels", {16, 32, 96, 256}, 1, 1 << 16);
  if (out.embedding_channels.size() != 4 || out.conditioning_channels != 3)
    fail(ErrorKind::unsupported, c.where(), ": a picture of ", out.conditioning_channels, " channels brought down to 1/",
         1 << (out.embedding_channels.size() - (out.embedding_channels.empty() ? 0 : 1)), "; supported are 3 channels and 1/8");
  return out;
}

struct ControlNet::Layers {
  TimeEmbedding time_embedding;
  std::optional<AddedEmbedding> added_embedding;
  TimeProjections time_projections;
  Conv2d conv_in;
  ConditioningEmbedding conditioning;
  std::vector<UNetDownBlock> down_blocks;
  UNetMidBlock mid_block;
  std::vector<Conv2d> controls;  // of each skip; "zero convolutions" before training
  Conv2d mid_control;

  Layers(const WeightScope& w, const ControlNetConfig& c)
      : time_embedding(w, c.unet),
        time_projections(w, c.unet, /*way_up=*/false),
        conv_in(w / "conv_in", c.unet.in_channels, c.unet.levels[0].channels),
        conditioning(w / "controlnet_cond_embedding", c),
        mid_block(w / "mid_block", c.unet),
        mid_control(w / "controlnet_mid_block", c.unet.levels.back().channels, c.unet.levels.back().channels, nn::kConv1x1) {
    if (c.unet.added_channels > 0) added_embedding.emplace(w, c.unet);
    const auto add_control = [&](std::int64_t channels) {
      controls.emplace_back(w / "controlnet_down_blocks" / static_cast<std::int64_t>(controls.size()), channels, channels, nn::kConv1x1);
    };
    add_control(c.unet.levels[0].channels);
    for (std::size_t i = 0; i < c.unet.levels.size(); ++i) {
      down_blocks.emplace_back(w / "down_blocks" / static_cast<std::int64_t>(i), c.unet, i);
      const std::size_t skips = down_blocks.back().resnets.size() + (down_blocks.back().downsampler ? 1 : 0);
      for (std::size_t j = 0; j < skips; ++j) add_control(c.unet.levels[i].channels);
    }
  }
};

ControlNet::ControlNet(const ControlNetConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : config_(c), weights_(std::move(weights)), layers_(std::make_unique<const Layers>(WeightScope(*weights_, backend), c)) {}

ControlNet::~ControlNet() = default;

UNet::Conditioning ControlNet::condition(const UNetContext& context) const {
  UNet::Conditioning out;
  for (const UNetDownBlock& block : layers_->down_blocks)
    for (const Transformer2d& attention : block.attentions) attention.project(context.states, out.attentions);
  layers_->mid_block.attention.project(context.states, out.attentions);
  if (layers_->added_embedding) out.added = (*layers_->added_embedding)(context);
  return out;
}

Tensor ControlNet::embed(const Tensor& picture) const { return layers_->conditioning(picture); }

UNet::Control ControlNet::forward(const Tensor& sample, double timestep, const UNet::Conditioning& conditioning, const Tensor& hint, float scale,
                                  bool rising) const {
  const Layers& net = *layers_;
  const KeyValue* context = conditioning.attentions.data();
  const Tensor time = net.time_embedding(net.time_embedding.sinusoids(timestep), conditioning.added);
  const std::vector<Tensor> times = net.time_projections(ops::activate(time, Activation::silu));
  const Tensor* at = times.data();

  Tensor h = ops::add(net.conv_in(sample), ops::tile_images(hint, sample.dim(0)));  // [n, h, w, c0]
  h = ops::tile_images(h, std::max(h.dim(0), time.dim(0)));
  std::vector<Tensor> skips{h};
  for (const UNetDownBlock& block : net.down_blocks) h = block(h, at, context, skips);
  h = net.mid_block(h, at, context);  // [m, ...]

  UNet::Control control = controls_of(skips, h.dim(0), scale, rising);
  control.mid = ops::combine({{scale, net.mid_control(h)}});
  return control;
}

UNet::Control ControlNet::forward_shallow(const Tensor& sample, double timestep, const UNet::Conditioning& conditioning, const Tensor& hint,
                                          float scale, bool rising) const {
  const Layers& net = *layers_;
  const KeyValue* context = conditioning.attentions.data();
  const Tensor time = net.time_embedding(net.time_embedding.sinusoids(timestep), conditioning.added);
  const std::vector<Tensor> times = net.time_projections(ops::activate(time, Activation::silu));
  const Tensor* at = times.data();

  const Tensor h = ops::add(net.conv_in(sample), ops::tile_images(hint, sample.dim(0)));  // [n, h, w, c0]
  std::vector<Tensor> skips{ops::tile_images(h, std::max(h.dim(0), time.dim(0)))};
  skips.push_back(net.down_blocks.front().layer(0, skips.back(), at, context, /*token_merging_ratio=*/0));
  return controls_of(skips, conditioning.images(), scale, rising);
}

UNet::Control ControlNet::controls_of(const std::vector<Tensor>& skips, std::int64_t images, float scale, bool rising) const {
  UNet::Control control;
  const auto all = static_cast<double>(layers_->controls.size());
  for (std::size_t i = 0; i < skips.size(); ++i) {
    const double share = rising ? std::pow(10, static_cast<double>(i) / all - 1) : 1;
    const Tensor part = ops::combine({{share * static_cast<double>(scale), layers_->controls[i](skips[i])}});
    control.skips.push_back(ops::tile_images(part, images));
  }
  return control;
}

}  // namespace impasto
