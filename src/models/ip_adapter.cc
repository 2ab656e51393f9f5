#include "models/ip_adapter.h"

#include <string>

#include "core/fail.h"

namespace impasto {
namespace {

/// Widths of a UNet's cross-attentions in three stretches.
struct CrossAttentions {
  std::vector<std::int64_t> down, mid, up;

  explicit CrossAttentions(const UNetConfig& c) {
    const auto add = [](std::vector<std::int64_t>& to, const UNetLevel& level, int transformers) {
      to.insert(to.end(), static_cast<std::size_t>(transformers * level.transformer_layers), level.channels);
    };
    for (const UNetLevel& level : c.levels)
      if (level.down_attention) add(down, level, level.resnets);
    add(mid, c.levels.back(), 1);
    for (auto level = c.levels.rbegin(); level != c.levels.rend(); ++level)
      if (level->up_attention) add(up, *level, level->resnets + 1);
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
    const CrossAttentions widths(unet);
    const auto add = [&](const std::vector<std::int64_t>& stretch, std::size_t place) {
      for (const std::int64_t width : stretch) {
        const WeightScope w(weights, b, layer_name(place++));
        attentions.push_back(
            {{w / "to_k_ip", p.context_channels, width, /*bias=*/false}, {w / "to_v_ip", p.context_channels, width, /*bias=*/false}});
      }
    };
    add(widths.down, 0), add(widths.mid, widths.down.size() + widths.up.size()), add(widths.up, widths.down.size());
  }
};

IpAdapter::IpAdapter(const UNetConfig& unet, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : projection_(ImageProjectionConfig::of(*weights)), weights_(std::move(weights)) {
  require_fit(projection_, unet, *weights_);
  layers_ = std::make_unique<const Layers>(*weights_, backend, projection_, unet);
}

IpAdapter::~IpAdapter() = default;

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
