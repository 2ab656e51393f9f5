#include "models/tiny_vae.h"

#include <cmath>
#include <limits>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {

using nn::Conv2d;

namespace {

constexpr ConvGeometry kHalving{.stride = 2};

Tensor relu(const Tensor& x) { return ops::clamp(x, 0, std::numeric_limits<float>::max()); }

/// limit * tanh(x / limit): latents beyond what the network was trained on.
Tensor bent(const Tensor& x) {
  constexpr float kLimit = 3;
  std::vector<float> values = x.to_host();
  for (float& value : values) value = kLimit * std::tanh(value / kLimit);
  return Tensor::from_host(x.backend(), x.shape(), values.data());
}

Tensor ones(const Tensor& like) { return ops::clamp(like, 1, 1); }

/// Layers are counted through: `place` moves behind what is made.
std::vector<TinyVaeBlock> make_blocks(const WeightScope& w, std::int64_t channels, int count, std::int64_t& place) {
  std::vector<TinyVaeBlock> blocks;
  for (int i = 0; i < count; ++i) blocks.emplace_back(w / place++, channels);
  return blocks;
}

std::string layer(const std::string& side, int place, const char* leaf) { return side + ".layers." + std::to_string(place) + leaf; }

/// Blocks in a row from `place` on, which moves behind them.
int count_blocks(const WeightReader& weights, const std::string& side, int& place) {
  int count = 0;
  while (count < TinyVaeConfig::kMostBlocks && weights.describe(layer(side, place, ".conv.0.weight"))) ++count, ++place;
  return count;
}

}  // namespace

TinyVaeBlock::TinyVaeBlock(const WeightScope& w, std::int64_t channels)
    : conv_0(w / "conv.0", channels, channels), conv_2(w / "conv.2", channels, channels), conv_4(w / "conv.4", channels, channels) {}

Tensor TinyVaeBlock::operator()(const Tensor& x) const { return relu(conv_4(relu(conv_2(relu(conv_0(x)))), {}, {.residual = x})); }

TinyDecoder::TinyDecoder(const WeightScope& root, const TinyVaeConfig& c) {
  const WeightScope w = root / "decoder.layers";
  std::int64_t place = 0;
  for (std::size_t i = 0; i < c.decoder_blocks.size(); ++i) {
    const bool first = i == 0;
    if (!first) ++place;  // the enlargement, which has no weights and is part of the convolution here
    levels_.push_back(
        {first ? Conv2d(w / place, c.latent_channels, c.channels) : Conv2d(w / place, c.channels, c.channels, nn::kUpsampleConv, false), {}});
    place += first ? 2 : 1;  // behind the first comes an activation
    levels_.back().blocks = make_blocks(w, c.channels, c.decoder_blocks[i], place);
  }
  conv_out_.emplace_back(w / place, c.channels, 3);
}

Tensor TinyDecoder::operator()(const Tensor& latents) const {
  Tensor h = bent(latents);
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    h = levels_[i].conv(h);
    if (i == 0) h = relu(h);
    for (const TinyVaeBlock& block : levels_[i].blocks) h = block(h);
  }
  h = conv_out_.front()(h);
  return ops::combine({{2, h}, {-1, ones(h)}});  // 0..1 to -1..1
}

TinyEncoder::TinyEncoder(const WeightScope& root, const TinyVaeConfig& c) {
  const WeightScope w = root / "encoder.layers";
  std::int64_t place = 0;
  for (std::size_t i = 0; i < c.encoder_blocks.size(); ++i) {
    levels_.push_back({i == 0 ? Conv2d(w / place, 3, c.channels) : Conv2d(w / place, c.channels, c.channels, kHalving, false), {}});
    ++place;
    levels_.back().blocks = make_blocks(w, c.channels, c.encoder_blocks[i], place);
  }
  conv_out_.emplace_back(w / place, c.channels, c.latent_channels);
}

Tensor TinyEncoder::operator()(const Tensor& image) const {
  Tensor h = ops::combine({{0.5, image}, {0.5, ones(image)}});
  for (const TinyVaeLevel& level : levels_) {
    h = level.conv(h);
    for (const TinyVaeBlock& block : level.blocks) h = block(h);
  }
  return conv_out_.front()(h);
}

NameMap find_tiny_vae(const WeightReader& file) {
  const std::vector<std::string> names = file.names();
  NameMap found;
  if (file.describe("decoder.layers.0.weight")) {
    for (const std::string& name : names) found[name] = {name};
    return found;
  }
  // The original's decoder begins with a layer that has no weights.
  const auto add = [&](const std::string& prefix, const char* side, int shift) {
    for (const std::string& name : names) {
      if (!name.starts_with(prefix)) continue;
      const std::string rest = name.substr(prefix.size());
      const auto dot = rest.find('.');
      if (dot == 0 || dot > 3 || rest.find_first_not_of("0123456789") != dot) continue;
      const int place = std::stoi(rest.substr(0, dot)) - shift;
      if (place >= 0) found[std::string(side) + ".layers." + std::to_string(place) + rest.substr(dot)] = {name};
    }
  };
  for (const std::string prefix : {"decoder.", ""}) {
    if (!found.empty() || !file.describe(prefix + "1.weight") || !file.describe(prefix + "3.conv.0.weight")) continue;
    add(prefix, "decoder", 1);
    if (!prefix.empty()) add("encoder.", "encoder", 0);
  }
  return found;
}

JsonObject derived_tiny_vae_config(const WeightReader& weights) {
  const auto first = weights.describe("decoder.layers.0.weight");
  if (!first || first->shape.rank() != 4) fail(ErrorKind::bad_file, weights.where(), ": tensor \"decoder.layers.0.weight\" is no convolution's");
  std::vector<int> decoder, encoder;
  for (int place = 2;;) {
    decoder.push_back(count_blocks(weights, "decoder", place));
    if (!weights.describe(layer("decoder", place + 1, ".weight")) || decoder.size() > 8) break;
    place += 2;
  }
  for (int place = 0; weights.describe(layer("encoder", place, ".weight")) && encoder.size() <= 8;) {
    ++place;
    const int blocks = count_blocks(weights, "encoder", place);
    if (blocks > 0) encoder.push_back(blocks);
  }
  const std::vector<std::int64_t> channels(4, first->shape[0]);
  Json config = {{"_class_name", "AutoencoderTiny"},
                 {"latent_channels", first->shape[1]},
                 {"encoder_block_out_channels", channels},
                 {"decoder_block_out_channels", channels},
                 {"num_decoder_blocks", decoder}};
  if (!encoder.empty()) config["num_encoder_blocks"] = encoder;
  return {std::move(config), weights.where()};
}

}  // namespace impasto
