#include "models/unet.h"

#include <cmath>
#include <optional>
#include <string>

#include "nn/resnet_block.h"

namespace impasto {

using nn::Conv2d;
using nn::KeyValue;
using nn::ResnetBlock;
using nn::Transformer2d;

namespace {

Transformer2d::Config attention_config(const UNetConfig& c, const UNetLevel& level) {
  return {.channels = level.channels,
          .context_channels = c.context_channels,
          .heads = level.heads,
          .layers = level.transformer_layers,
          .groups = c.groups};
}

ResnetBlock::Config resnet_config(const UNetConfig& c, std::int64_t in, std::int64_t out) {
  return {.in = in, .out = out, .time_channels = c.time_channels(), .groups = c.groups, .eps = c.norm_eps};
}

/// Sinusoids of the timestep, [channels] (Vaswani et al., 2017); float32 throughout, as the published models were trained.
std::vector<float> timestep_sinusoids(double timestep, std::int64_t channels, bool flip_sin_to_cos, double freq_shift) {
  const std::int64_t half = channels / 2;
  std::vector<float> values(static_cast<std::size_t>(channels), 0.0f);
  for (std::int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(-std::log(10000.0)) * static_cast<float>(i) / static_cast<float>(half - freq_shift);
    const float angle = static_cast<float>(timestep) * static_cast<float>(std::exp(static_cast<double>(exponent)));
    values[flip_sin_to_cos ? half + i : i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    values[flip_sin_to_cos ? i : half + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
  }
  return values;
}

}  // namespace

struct UNet::DownBlock {
  std::vector<ResnetBlock> resnets;
  std::vector<Transformer2d> attentions;  // one per resnet, or none
  std::optional<Conv2d> downsampler;

  DownBlock(const WeightScope& w, const UNetConfig& c, std::size_t i) {
    const UNetLevel& level = c.levels[i];
    for (int j = 0; j < level.resnets; ++j) {
      const std::int64_t in = j > 0 || i == 0 ? level.channels : c.levels[i - 1].channels;
      resnets.emplace_back(w / "resnets" / j, resnet_config(c, in, level.channels));
      if (level.down_attention) attentions.emplace_back(w / "attentions" / j, attention_config(c, level));
    }
    if (i + 1 < c.levels.size()) downsampler.emplace(w / "downsamplers.0.conv", level.channels, level.channels, ConvGeometry{.stride = 2});
  }

  Tensor layer(std::size_t j, const Tensor& x, const Tensor& silu_time, const KeyValue*& context) const {
    const Tensor h = resnets[j](x, silu_time);
    return attentions.empty() ? h : attentions[j](h, context);
  }

  Tensor operator()(Tensor h, const Tensor& silu_time, const KeyValue*& context, std::vector<Tensor>& skips) const {
    for (std::size_t j = 0; j < resnets.size(); ++j) skips.push_back(h = layer(j, h, silu_time, context));
    if (downsampler) skips.push_back(h = (*downsampler)(h));
    return h;
  }
};

struct UNet::MidBlock {
  ResnetBlock resnet_0;
  Transformer2d attention;
  ResnetBlock resnet_1;

  MidBlock(const WeightScope& w, const UNetConfig& c, const UNetLevel& level)
      : resnet_0(w / "resnets.0", resnet_config(c, level.channels, level.channels)),
        attention(w / "attentions.0", attention_config(c, level)),
        resnet_1(w / "resnets.1", resnet_config(c, level.channels, level.channels)) {}

  Tensor operator()(const Tensor& h, const Tensor& silu_time, const KeyValue*& context) const {
    return resnet_1(attention(resnet_0(h, silu_time), context), silu_time);
  }
};

struct UNet::UpBlock {
  std::vector<ResnetBlock> resnets;
  std::vector<Transformer2d> attentions;  // one per resnet, or none
  std::optional<Conv2d> upsampler;

  /// Of level i; its input comes from the level below, its skips from this level and, the last one, from the level above.
  UpBlock(const WeightScope& w, const UNetConfig& c, std::size_t i) {
    const UNetLevel& level = c.levels[i];
    const std::int64_t below = i + 1 < c.levels.size() ? c.levels[i + 1].channels : level.channels;
    const std::int64_t above = i > 0 ? c.levels[i - 1].channels : level.channels;
    for (int j = 0; j <= level.resnets; ++j) {
      const std::int64_t in = j == 0 ? below : level.channels;
      const std::int64_t skip = j == level.resnets ? above : level.channels;
      resnets.emplace_back(w / "resnets" / j, resnet_config(c, in + skip, level.channels));
      if (level.up_attention) attentions.emplace_back(w / "attentions" / j, attention_config(c, level));
    }
    if (i > 0) upsampler.emplace(w / "upsamplers.0.conv", level.channels, level.channels, nn::kUpsampleConv);
  }

  /// Takes the last of the skips.
  Tensor layer(std::size_t j, const Tensor& x, const Tensor& silu_time, const KeyValue*& context, std::vector<Tensor>& skips) const {
    const Tensor joined = ops::concat_columns(x, ops::tile_images(skips.back(), x.dim(0)));
    skips.pop_back();
    const Tensor h = resnets[j](joined, silu_time);
    return attentions.empty() ? h : attentions[j](h, context);
  }

  /// `deep`, where it is asked for, gets what goes into the last layer but one.
  Tensor operator()(Tensor h, const Tensor& silu_time, const KeyValue*& context, std::vector<Tensor>& skips, Tensor* deep = nullptr) const {
    for (std::size_t j = 0; j < resnets.size(); ++j) {
      if (deep != nullptr && j + 2 == resnets.size()) *deep = h;
      h = layer(j, h, silu_time, context, skips);
    }
    if (upsampler) h = upsampler->resized(h, skips.back().dim(1), skips.back().dim(2));
    return h;
  }
};

struct UNet::Layers {
  nn::Linear time_linear_1, time_linear_2;
  Conv2d conv_in;
  std::vector<DownBlock> down_blocks;
  MidBlock mid_block;
  std::vector<UpBlock> up_blocks;  // from the deepest level to the first
  nn::GroupNorm conv_norm_out;
  Conv2d conv_out;

  Layers(const WeightScope& w, const UNetConfig& c)
      : time_linear_1(w / "time_embedding.linear_1", c.levels[0].channels, c.time_channels()),
        time_linear_2(w / "time_embedding.linear_2", c.time_channels(), c.time_channels()),
        conv_in(w / "conv_in", c.in_channels, c.levels[0].channels),
        mid_block(w / "mid_block", c, c.levels.back()),
        conv_norm_out(w / "conv_norm_out", c.levels[0].channels, c.groups, c.norm_eps),
        conv_out(w / "conv_out", c.levels[0].channels, c.out_channels) {
    const std::size_t n = c.levels.size();
    for (std::size_t i = 0; i < n; ++i) down_blocks.emplace_back(w / "down_blocks" / static_cast<std::int64_t>(i), c, i);
    for (std::size_t i = 0; i < n; ++i) up_blocks.emplace_back(w / "up_blocks" / static_cast<std::int64_t>(i), c, n - 1 - i);
  }
};

UNet::~UNet() = default;
UNet::UNet(UNet&&) noexcept = default;

UNet::UNet(const UNetConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : config_(c), weights_(std::move(weights)), backend_(backend), layers_(std::make_unique<const Layers>(WeightScope(*weights_, backend), c)) {}

UNet::Conditioning UNet::condition(const Tensor& context) const {
  Conditioning out;
  for (const DownBlock& block : layers_->down_blocks)
    for (const Transformer2d& attention : block.attentions) attention.project(context, out);
  layers_->mid_block.attention.project(context, out);
  for (const UpBlock& block : layers_->up_blocks)
    for (const Transformer2d& attention : block.attentions) attention.project(context, out);
  return out;
}

Tensor UNet::embed_time(double timestep) const {
  const std::vector<float> sinusoids = timestep_sinusoids(timestep, config_.levels[0].channels, config_.flip_sin_to_cos, config_.freq_shift);
  const Tensor t = Tensor::from_host(backend_, {1, config_.levels[0].channels}, sinusoids.data());
  return layers_->time_linear_2(layers_->time_linear_1(t, {.activation = Activation::silu}));  // [1, time_channels]
}

Tensor UNet::forward(const Tensor& sample, double timestep, const Conditioning& conditioning, const Observer& observe, Tensor* deep) const {
  const auto seen = [&](const std::string& stage, const Tensor& t) {
    if (observe) observe(stage, t);
    return t;
  };
  const Layers& net = *layers_;
  const KeyValue* context = conditioning.data();

  const Tensor time = seen("time_embedding", embed_time(timestep));  // [1, time_channels]
  const Tensor silu_time = ops::activate(time, Activation::silu);

  Tensor h = seen("conv_in", net.conv_in(sample));  // [n, h, w, c0]
  std::vector<Tensor> skips{h};
  for (std::size_t i = 0; i < net.down_blocks.size(); ++i)
    h = seen("down_blocks." + std::to_string(i), net.down_blocks[i](h, silu_time, context, skips));
  h = seen("mid_block", net.mid_block(h, silu_time, context));
  for (std::size_t i = 0; i < net.up_blocks.size(); ++i) {
    Tensor* const asked = i + 1 == net.up_blocks.size() ? deep : nullptr;
    h = seen("up_blocks." + std::to_string(i), net.up_blocks[i](h, silu_time, context, skips, asked));
  }

  return seen("conv_out", net.conv_out(h, net.conv_norm_out.then(h, Activation::silu)));  // [n, h, w, out_channels]
}

Tensor UNet::forward_shallow(const Tensor& sample, double timestep, const Conditioning& conditioning, const Tensor& deep) const {
  const Layers& net = *layers_;
  const UpBlock& last = net.up_blocks.back();
  const Tensor silu_time = ops::activate(embed_time(timestep), Activation::silu);

  std::vector<Tensor> skips{net.conv_in(sample)};  // [n, h, w, c0]
  const KeyValue* context = conditioning.data();
  skips.push_back(net.down_blocks.front().layer(0, skips.back(), silu_time, context));

  Tensor h = deep;  // [m, h, w, c]
  const std::size_t layers = last.resnets.size();
  context = conditioning.data() + conditioning.size() - (last.attentions.empty() ? 0 : 2 * config_.levels[0].transformer_layers);
  for (std::size_t j = layers - 2; j < layers; ++j) h = last.layer(j, h, silu_time, context, skips);
  return net.conv_out(h, net.conv_norm_out.then(h, Activation::silu));
}

}  // namespace impasto
