#include "models/unet_blocks.h"

#include <cmath>

#include "core/fail.h"

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
  return {.in = in, .out = out, .groups = c.groups, .eps = c.norm_eps};
}

/// Sinusoids of the timestep, [channels]; float32 throughout, as the published models were trained.
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

TimeEmbedding::TimeEmbedding(const WeightScope& w, const UNetConfig& c)
    : backend_(w.backend()),
      channels_(c.levels[0].channels),
      flip_sin_to_cos_(c.flip_sin_to_cos),
      freq_shift_(c.freq_shift),
      guidance_channels_(c.guidance_channels),
      linear_1_(w / "time_embedding.linear_1", channels_, c.time_channels()),
      linear_2_(w / "time_embedding.linear_2", c.time_channels(), c.time_channels()) {
  if (guidance_channels_ > 0) cond_proj_.emplace(w / "time_embedding.cond_proj", guidance_channels_, channels_, /*bias=*/false);
}

Tensor TimeEmbedding::sinusoids(double timestep, const std::vector<float>& guidance) const {
  std::vector<float> values = timestep_sinusoids(timestep, channels_, flip_sin_to_cos_, freq_shift_);
  for (std::size_t i = 0; i < guidance.size(); ++i) values[i] += guidance[i];
  return Tensor::from_host(backend_, {1, channels_}, values.data());
}

std::vector<float> TimeEmbedding::project_guidance(const std::vector<float>& guidance) const {
  if (guidance.empty()) return {};
  const auto count = static_cast<std::int64_t>(guidance.size());
  if (count != guidance_channels_)
    fail(ErrorKind::invalid_argument, "the guidance scale is said in ", count, " numbers, and this UNet takes ",
         guidance_channels_ == 0 ? "none" : std::to_string(guidance_channels_));
  return (*cond_proj_)(Tensor::from_host(backend_, {1, count}, guidance.data())).to_host();
}

Tensor TimeEmbedding::operator()(const Tensor& sinusoids, const Tensor& added) const {
  const Tensor time = linear_2_(linear_1_(sinusoids, {.activation = Activation::silu}));
  return added ? ops::add(ops::tile_images(time, added.dim(0)), added) : time;
}

AddedEmbedding::AddedEmbedding(const WeightScope& w, const UNetConfig& c)
    : backend_(w.backend()),
      channels_(c.added_channels),
      id_channels_(c.added_id_channels),
      flip_sin_to_cos_(c.flip_sin_to_cos),
      freq_shift_(c.freq_shift),
      linear_1_(w / "add_embedding.linear_1", channels_, c.time_channels()),
      linear_2_(w / "add_embedding.linear_2", c.time_channels(), c.time_channels()) {}

Tensor AddedEmbedding::operator()(const UNetContext& context) const {
  const bool complete = context.pooled && context.ids && context.pooled.dim(0) == context.ids.dim(0);
  if (!complete || context.pooled.dim(1) + context.ids.dim(1) * id_channels_ != channels_)
    fail(ErrorKind::invalid_argument, "the UNet takes ", channels_, " columns beside a text's states, ", id_channels_,
         " of them for each number about the picture; there are ", complete ? context.pooled.dim(1) : 0, " of the text and ",
         complete ? context.ids.dim(1) : 0, " numbers");
  std::vector<float> sinusoids;
  for (const float id : context.ids.to_host()) {
    const std::vector<float> columns = timestep_sinusoids(static_cast<double>(id), id_channels_, flip_sin_to_cos_, freq_shift_);
    sinusoids.insert(sinusoids.end(), columns.begin(), columns.end());
  }
  const std::int64_t n = context.ids.dim(0);
  const Tensor ids = Tensor::from_host(backend_, {n, context.ids.dim(1) * id_channels_}, sinusoids.data());
  return linear_2_(linear_1_(ops::concat_columns(context.pooled.on(backend_), ids), {.activation = Activation::silu}));
}

namespace {

std::vector<nn::JoinedLinear::Part> time_parts(const WeightScope& w, const UNetConfig& c, bool way_up) {
  std::vector<nn::JoinedLinear::Part> parts;
  const auto add = [&](const WeightScope& block, int resnets, std::int64_t channels) {
    for (int j = 0; j < resnets; ++j) parts.push_back({block / "resnets" / j / "time_emb_proj", channels});
  };
  const std::size_t n = c.levels.size();
  for (std::size_t i = 0; i < n; ++i) add(w / "down_blocks" / static_cast<std::int64_t>(i), c.levels[i].resnets, c.levels[i].channels);
  add(w / "mid_block", 2, c.levels.back().channels);
  for (std::size_t i = 0; way_up && i < n; ++i) {
    const UNetLevel& level = c.levels[n - 1 - i];
    add(w / "up_blocks" / static_cast<std::int64_t>(i), level.resnets + 1, level.channels);
  }
  return parts;
}

}  // namespace

TimeProjections::TimeProjections(const WeightScope& w, const UNetConfig& c, bool way_up) : all_(time_parts(w, c, way_up), c.time_channels()) {}

UNetDownBlock::UNetDownBlock(const WeightScope& w, const UNetConfig& c, std::size_t i) {
  const UNetLevel& level = c.levels[i];
  for (int j = 0; j < level.resnets; ++j) {
    const std::int64_t in = j > 0 || i == 0 ? level.channels : c.levels[i - 1].channels;
    resnets.emplace_back(w / "resnets" / j, resnet_config(c, in, level.channels));
    if (level.down_attention) attentions.emplace_back(w / "attentions" / j, attention_config(c, level));
  }
  if (i + 1 < c.levels.size()) downsampler.emplace(w / "downsamplers.0.conv", level.channels, level.channels, ConvGeometry{.stride = 2});
}

Tensor UNetDownBlock::layer(std::size_t j, const Tensor& x, const Tensor*& time, const KeyValue*& context, float merging) const {
  const Tensor h = resnets[j](x, *time++);
  return attentions.empty() ? h : attentions[j](h, context, merging);
}

Tensor UNetDownBlock::operator()(Tensor h, const Tensor*& time, const KeyValue*& context, std::vector<Tensor>& skips, float merging) const {
  for (std::size_t j = 0; j < resnets.size(); ++j) skips.push_back(h = layer(j, h, time, context, merging));
  if (downsampler) skips.push_back(h = (*downsampler)(h));
  return h;
}

UNetMidBlock::UNetMidBlock(const WeightScope& w, const UNetConfig& c)
    : resnet_0(w / "resnets.0", resnet_config(c, c.levels.back().channels, c.levels.back().channels)),
      attention(w / "attentions.0", attention_config(c, c.levels.back())),
      resnet_1(w / "resnets.1", resnet_config(c, c.levels.back().channels, c.levels.back().channels)) {}

Tensor UNetMidBlock::operator()(const Tensor& h, const Tensor*& time, const KeyValue*& context) const {
  const Tensor first = resnet_0(h, *time++);
  return resnet_1(attention(first, context), *time++);
}

UNetUpBlock::UNetUpBlock(const WeightScope& w, const UNetConfig& c, std::size_t i) {
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

Tensor UNetUpBlock::layer(std::size_t j, const Tensor& x, const Tensor*& time, const KeyValue*& context, std::vector<Tensor>& skips,
                          float merging) const {
  const Tensor joined = ops::concat_columns(x, ops::tile_images(skips.back(), x.dim(0)));
  skips.pop_back();
  const Tensor h = resnets[j](joined, *time++);
  return attentions.empty() ? h : attentions[j](h, context, merging);
}

Tensor UNetUpBlock::operator()(Tensor h, const Tensor*& time, const KeyValue*& context, std::vector<Tensor>& skips, float merging,
                               Tensor* deep) const {
  for (std::size_t j = 0; j < resnets.size(); ++j) {
    if (deep != nullptr && j + 2 == resnets.size()) *deep = h;
    h = layer(j, h, time, context, skips, merging);
  }
  if (upsampler) h = upsampler->resized(h, skips.back().dim(1), skips.back().dim(2));
  return h;
}

}  // namespace impasto
