#include "models/ip_adapter.h"

#include <string>

#include "core/fail.h"

namespace impasto {
namespace {

/// A cross-attention of a UNet.
struct Place {
  std::string name;
  std::int64_t width;
};

/// All of them, in the order of UNet::Conditioning, which is that of evaluation, in three stretches.
struct CrossAttentions {
  std::vector<Place> down, mid, up;

  explicit CrossAttentions(const UNetConfig& c) {
    const auto add = [](std::vector<Place>& to, const std::string& block, const UNetLevel& level, int transformers) {
      for (int j = 0; j < transformers; ++j)
        for (int k = 0; k < level.transformer_layers; ++k)
          to.push_back({concat(block, ".attentions.", j, ".transformer_blocks.", k, ".attn2"), level.channels});
    };
    const std::size_t n = c.levels.size();
    for (std::size_t i = 0; i < n; ++i)
      if (c.levels[i].down_attention) add(down, concat("down_blocks.", i), c.levels[i], c.levels[i].resnets);
    add(mid, "mid_block", c.levels.back(), 1);
    for (std::size_t i = 0; i < n; ++i)
      if (const UNetLevel& level = c.levels[n - 1 - i]; level.up_attention) add(up, concat("up_blocks.", i), level, level.resnets + 1);
  }
  std::size_t size() const { return down.size() + mid.size() + up.size(); }
};

std::string layer_name(std::size_t place) { return "ip_adapter." + std::to_string(2 * place + 1); }  // even numbers are self-attentions'

void require_fit(const ImageProjectionConfig& projection, const UNetConfig& unet, const WeightReader& weights) {
  if (projection.context_channels != unet.context_channels)
    fail(ErrorKind::bad_file, weights.where(), ": made for another model: its tensors \"image_proj.*\" make tokens of ", projection.context_channels,
         " columns, the UNet's \"cross_attention_dim\" is ", unet.context_channels);
  const std::size_t count = CrossAttentions(unet).size();
  for (const bool last : {true, false}) {
    const std::string name = layer_name(last ? count - 1 : count) + ".to_k_ip.weight";
    if (weights.describe(name).has_value() == last) continue;
    fail(ErrorKind::bad_file, weights.where(), ": made for another model: ", last ? "it has no tensor \"" : "it has a tensor \"", name,
         "\", and the UNet has ", count, " cross-attentions");
  }
}

}  // namespace

struct IpAdapter::Layers {
  struct Attention {
    nn::Linear to_k, to_v;
  };
  Backend& backend;
  std::unique_ptr<const ImageProjection> projection;
  std::vector<Attention> attentions;  // in the UNet's order

  Layers(const WeightReader& weights, Backend& b, const ImageProjectionConfig& p, const UNetConfig& unet)
      : backend(b), projection(ImageProjection::make(WeightScope(weights, b, "image_proj"), p)) {
    // The file counts as diffusers' modules stand: those of the middle come last.
    const CrossAttentions all(unet);
    const auto add = [&](const std::vector<Place>& stretch, std::size_t number) {
      for (const Place& place : stretch) {
        const WeightScope w(weights, b, layer_name(number++));
        attentions.push_back(
            {{w / "to_k_ip", p.context_channels, place.width, /*bias=*/false}, {w / "to_v_ip", p.context_channels, place.width, /*bias=*/false}});
      }
    };
    add(all.down, 0), add(all.mid, all.down.size() + all.up.size()), add(all.up, all.down.size());
  }
};

IpAdapter::IpAdapter(const UNetConfig& unet, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : projection_(ImageProjectionConfig::of(*weights)), weights_(std::move(weights)) {
  require_fit(projection_, unet, *weights_);
  layers_ = std::make_unique<const Layers>(*weights_, backend, projection_, unet);
}

IpAdapter::~IpAdapter() = default;

std::size_t IpAdapter::attentions() const { return layers_->attentions.size(); }

std::vector<std::string> IpAdapter::attention_names(const UNetConfig& unet) {
  const CrossAttentions all(unet);
  std::vector<std::string> names;
  for (const auto* stretch : {&all.down, &all.mid, &all.up})
    for (const Place& place : *stretch) names.push_back(place.name);
  return names;
}

Tensor IpAdapter::tokens(const Tensor& seen) const { return (*layers_->projection)(seen.on(layers_->backend)); }

std::vector<nn::PictureKeyValue> IpAdapter::attend(const Tensor& tokens, std::span<const float> scales) const {
  IMPASTO_CHECK(scales.size() == 1 || scales.size() == layers_->attentions.size());
  const Tensor context = tokens.reshape({1, tokens.dim(0), tokens.dim(1)});
  std::vector<nn::PictureKeyValue> all;
  for (std::size_t i = 0; i < layers_->attentions.size(); ++i) {
    const float scale = scales[scales.size() == 1 ? 0 : i];
    nn::PictureKeyValue kv;
    if (scale != 0) {
      kv.key = layers_->attentions[i].to_k(context);
      // Attention is linear in the values: scaled here once, not what comes of them at each step.
      kv.value = ops::scale_images(layers_->attentions[i].to_v(context), std::span(&scale, 1));
    }
    all.push_back(std::move(kv));
  }
  return all;
}

}  // namespace impasto
