#include "models/unet.h"

#include <algorithm>
#include <optional>
#include <string>

#include "models/unet_blocks.h"

namespace impasto {

using nn::Conv2d;
using nn::KeyValue;
using nn::PictureKeyValue;
using nn::Transformer2d;

struct UNet::Layers {
  TimeEmbedding time_embedding;
  std::optional<AddedEmbedding> added_embedding;
  TimeProjections time_projections;
  Conv2d conv_in;
  std::vector<UNetDownBlock> down_blocks;
  UNetMidBlock mid_block;
  std::vector<UNetUpBlock> up_blocks;  // from the deepest level to the first
  nn::GroupNorm conv_norm_out;
  Conv2d conv_out;

  Layers(const WeightScope& w, const UNetConfig& c)
      : time_embedding(w, c),
        time_projections(w, c, /*way_up=*/true),
        conv_in(w / "conv_in", c.in_channels, c.levels[0].channels),
        mid_block(w / "mid_block", c),
        conv_norm_out(w / "conv_norm_out", c.levels[0].channels, c.groups, c.norm_eps),
        conv_out(w / "conv_out", c.levels[0].channels, c.out_channels) {
    if (c.added_channels > 0) added_embedding.emplace(w, c);
    const std::size_t n = c.levels.size();
    for (std::size_t i = 0; i < n; ++i) down_blocks.emplace_back(w / "down_blocks" / static_cast<std::int64_t>(i), c, i);
    for (std::size_t i = 0; i < n; ++i) up_blocks.emplace_back(w / "up_blocks" / static_cast<std::int64_t>(i), c, n - 1 - i);
  }
};

UNet::~UNet() = default;
UNet::UNet(UNet&&) noexcept = default;

UNet::UNet(const UNetConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : config_(c),
      backend_(&backend),
      weights_(std::move(weights)),
      layers_(std::make_unique<const Layers>(WeightScope(*weights_, backend), c)),
      replayed_(std::make_unique<Replayed>()) {}

UNetContext UNetContext::slice(std::int64_t begin, std::int64_t count) const {
  if (!pooled) return {states.slice(begin, count), {}, {}, guidance};
  return {states.slice(begin, count), pooled.slice(begin, count), ids.slice(begin, count), guidance};
}

UNetContext concat_images(const UNetContext& a, const UNetContext& b) {
  const Tensor states = ops::concat_images(a.states, b.states);
  if (!a.pooled) return {states, {}, {}, a.guidance};
  return {states, ops::concat_images(a.pooled, b.pooled), ops::concat_images(a.ids, b.ids), a.guidance};
}

UNet::Conditioning UNet::Conditioning::slice(std::int64_t begin, std::int64_t count) const {
  Conditioning some;
  for (const KeyValue& kv : attentions) {
    KeyValue& part = some.attentions.emplace_back(KeyValue{kv.key.slice(begin, count), kv.value.slice(begin, count)});
    for (const PictureKeyValue& p : kv.pictures)
      part.pictures.push_back(p.key ? PictureKeyValue{p.key.slice(begin, count), p.value.slice(begin, count)} : p);
  }
  if (added) some.added = added.slice(begin, count);
  some.guidance = guidance;
  return some;
}

UNet::Conditioning UNet::condition(const UNetContext& context) const {
  Conditioning out;
  const Tensor states = context.states.on(*backend_);
  for (const UNetDownBlock& block : layers_->down_blocks)
    for (const Transformer2d& attention : block.attentions) attention.project(states, out.attentions);
  layers_->mid_block.attention.project(states, out.attentions);
  for (const UNetUpBlock& block : layers_->up_blocks)
    for (const Transformer2d& attention : block.attentions) attention.project(states, out.attentions);
  if (layers_->added_embedding) out.added = (*layers_->added_embedding)(context);
  out.guidance = layers_->time_embedding.project_guidance(context.guidance);
  return out;
}

namespace {

Replayed::Tensors as_list(const UNet::Conditioning& conditioning) {
  Replayed::Tensors list{conditioning.added};
  for (const KeyValue& kv : conditioning.attentions) {
    list.insert(list.end(), {kv.key, kv.value});
    for (const PictureKeyValue& p : kv.pictures) list.insert(list.end(), {p.key, p.value});
  }
  return list;
}

UNet::Conditioning from_list(const Replayed::Tensors& list, std::size_t pictures) {
  UNet::Conditioning out;
  out.added = list.front();
  for (std::size_t i = 1; i < list.size(); i += 2) {
    KeyValue& kv = out.attentions.emplace_back(KeyValue{list[i], list[i + 1]});
    for (std::size_t k = 0; k < pictures; ++k, i += 2) kv.pictures.push_back({list[i + 2], list[i + 3]});
  }
  return out;
}

}  // namespace

Tensor UNet::forward(const Tensor& sample, double timestep, const Conditioning& conditioning, const Forward& more) const {
  const Tensor x = sample.on(*backend_), sinusoids = layers_->time_embedding.sinusoids(timestep, conditioning.guidance);
  const bool plain = !more.observe && more.deep == nullptr && more.control == nullptr && more.token_merging_ratio == 0;
  if (!plain) return evaluate(x, sinusoids, conditioning, more).on(sample.backend());
  const auto f = [this, pictures = conditioning.pictures()](const Replayed::Tensors& changing, const Replayed::Tensors& lasting) {
    return evaluate(changing[0], changing[1], from_list(lasting, pictures), {});
  };
  return (*replayed_)({x, sinusoids}, as_list(conditioning), f).on(sample.backend());
}

Tensor UNet::evaluate(const Tensor& sample, const Tensor& sinusoids, const Conditioning& conditioning, const Forward& more) const {
  const auto seen = [&](const std::string& stage, const Tensor& t) {
    if (more.observe) more.observe(stage, t);
    return t;
  };
  const Layers& net = *layers_;
  const KeyValue* context = conditioning.attentions.data();

  const Tensor time = seen("time_embedding", net.time_embedding(sinusoids, conditioning.added));  // [1 or m, time_channels]
  const std::vector<Tensor> times = net.time_projections(ops::activate(time, Activation::silu));
  const Tensor* at = times.data();

  Tensor h = seen("conv_in", ops::tile_images(net.conv_in(sample), std::max(sample.dim(0), time.dim(0))));  // [n or m, h, w, c0]
  std::vector<Tensor> skips{h};
  for (std::size_t i = 0; i < net.down_blocks.size(); ++i)
    h = seen("down_blocks." + std::to_string(i), net.down_blocks[i](h, at, context, skips, i == 0 ? more.token_merging_ratio : 0));
  h = seen("mid_block", net.mid_block(h, at, context));
  if (more.control != nullptr) {
    for (std::size_t i = 0; i < skips.size(); ++i) skips[i] = ops::add(ops::tile_images(skips[i], h.dim(0)), more.control->skips[i]);
    h = ops::add(h, more.control->mid);
  }
  for (std::size_t i = 0; i < net.up_blocks.size(); ++i) {
    const bool last = i + 1 == net.up_blocks.size();
    h = seen("up_blocks." + std::to_string(i),
             net.up_blocks[i](h, at, context, skips, last ? more.token_merging_ratio : 0, last ? more.deep : nullptr));
  }

  return seen("conv_out", net.conv_norm_out.into(net.conv_out, h, Activation::silu));  // [n, h, w, out_channels]
}

Tensor UNet::forward(const Tensor& sample, double timestep, const Conditioning& conditioning) const {
  return forward(sample, timestep, conditioning, {});
}

Tensor UNet::forward_shallow(const Tensor& sample, double timestep, const Conditioning& conditioning, const Tensor& deep, float token_merging_ratio,
                             const Control* control) const {
  const Layers& net = *layers_;
  const UNetUpBlock& last = net.up_blocks.back();
  const Tensor time = net.time_embedding(net.time_embedding.sinusoids(timestep, conditioning.guidance), conditioning.added);
  const std::vector<Tensor> times = net.time_projections.outermost(ops::activate(time, Activation::silu));

  std::vector<Tensor> skips{ops::tile_images(net.conv_in(sample.on(*backend_)), std::max(sample.dim(0), time.dim(0)))};  // [n or m, h, w, c0]
  const KeyValue* context = conditioning.attentions.data();
  const Tensor* at = times.data();
  skips.push_back(net.down_blocks.front().layer(0, skips.back(), at, context, token_merging_ratio));
  if (control != nullptr)
    for (std::size_t i = 0; i < kShallowSkips; ++i) skips[i] = ops::add(ops::tile_images(skips[i], deep.dim(0)), control->skips[i]);

  Tensor h = deep;  // [m, h, w, c]
  const std::size_t layers = last.resnets.size();
  context =
      conditioning.attentions.data() + conditioning.attentions.size() - (last.attentions.empty() ? 0 : 2 * config_.levels[0].transformer_layers);
  for (std::size_t j = layers - 2; j < layers; ++j) h = last.layer(j, h, at, context, skips, token_merging_ratio);
  return net.conv_norm_out.into(net.conv_out, h, Activation::silu).on(sample.backend());
}

}  // namespace impasto
