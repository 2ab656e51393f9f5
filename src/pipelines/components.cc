#include "pipelines/components.h"

#include <filesystem>

#include "core/fail.h"
#include "core/guard.h"
#include "models/registry.h"
#include "pipelines/component_models.h"
#include "pipelines/controllers.h"

namespace impasto {
namespace {

JsonObject config_in(const std::string& folder) {
  const std::string file = (std::filesystem::path(folder) / "config.json").string();
  return {read_json(file), file};
}

/// The weights of a folder on their own.
OwnWeights weights_in(const std::string& folder, const char* component, const LoadOptions& options) {
  const ModelEntry& entry =
      model_entry(component, config_in(folder).text("_class_name", component == std::string("text_encoder") ? "CLIPTextModel" : ""));
  return {open_weights(folder, entry.weights_stem), options.map_weights};
}

DType type_of(GivenWeights::Type type) {
  switch (type) {
    case GivenWeights::Type::float32: return DType::float32;
    case GivenWeights::Type::float16: return DType::float16;
    case GivenWeights::Type::bfloat16: return DType::bfloat16;
  }
  fail(ErrorKind::invalid_argument, "a given weight has a type that does not exist");
}

JsonObject parsed(const std::string& config, const char* where) { return {parse_json(config, where, {.python_constants = true}), where}; }

/// Runs a factory of a model from options, with the caller's wish to stop looked at.
template <typename F>
auto loading(const LoadOptions& options, const F& f) {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return f(chosen_backend(options)); });
}

}  // namespace

OwnWeights given(const GivenWeights& weights) {
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const GivenWeights::Tensor& t : weights.tensors) {
    if (t.shape.empty() || t.shape.size() > Shape::kMaxRank)
      fail(ErrorKind::unsupported, "weight ", t.name, " has ", t.shape.size(), " dimensions; supported are 1 to ", Shape::kMaxRank);
    tensors.emplace_back(t.name, TensorView(const_cast<void*>(t.values), type_of(t.type), Shape(t.shape)));  // never written
  }
  return {in_memory_weights(std::move(tensors), weights.owner), /*map=*/true};  // they are in memory
}

UNetModel UNetModel::load(const std::string& folder, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const UNetConfig config = UNetConfig::parse(config_in(folder));
    return UNetModel(built<Impl>(own<UNet>(b, config, weights_in(folder, "unet", options))));
  });
}

UNetModel UNetModel::from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    return UNetModel(built<Impl>(own<UNet>(b, UNetConfig::parse(parsed(config, "the UNet's config")), given(weights))));
  });
}

ControlNetModel ControlNetModel::load(const std::string& folder, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const ControlNetConfig config = read_control_net_config(folder);
    return ControlNetModel(built<Impl>(own<ControlNet>(b, config, {open_weights(folder, "diffusion_pytorch_model"), options.map_weights})));
  });
}

ControlNetModel ControlNetModel::from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const ControlNetConfig read = ControlNetConfig::parse(parsed(config, "the ControlNet's config"));
    return ControlNetModel(built<Impl>(own<ControlNet>(b, read, given(weights))));
  });
}

VaeModel VaeModel::load(const std::string& folder, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const OwnWeights weights = weights_in(folder, "vae", options);
    return VaeModel(Impl::alone(b, VaeConfig::parse(config_in(folder)), weights));
  });
}

VaeModel VaeModel::from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options) {
  return loading(options, [&](Backend& b) { return VaeModel(Impl::alone(b, VaeConfig::parse(parsed(config, "the VAE's config")), given(weights))); });
}

TextModel TextModel::load(const std::string& folder, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const ClipTextConfig config = ClipTextConfig::parse(config_in(folder));
    return TextModel(built<Impl>(own<ClipText>(b, config, weights_in(folder, "text_encoder", options))));
  });
}

TextModel TextModel::from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options) {
  return loading(options, [&](Backend& b) {
    const ClipTextConfig read = ClipTextConfig::parse(parsed(config, "the text encoder's config"));
    return TextModel(built<Impl>(own<ClipText>(b, read, given(weights))));
  });
}

Components components_of(const std::shared_ptr<const Networks>& net) {
  std::vector<TextComponent> texts;
  for (std::size_t i = 0; i < net->texts.size(); ++i)
    texts.push_back({net->checkpoint.texts[i].name, Tokenizer(std::make_shared<const Tokenizer::Impl>(net->texts[i].tokenizer)),
                     TextModel(std::make_shared<const TextModel::Impl>(net->texts[i].encoder))});
  return {.texts = std::move(texts),
          .unet = UNetModel(std::make_shared<const UNetModel::Impl>(net->unet)),
          .vae = VaeModel(std::make_shared<const VaeModel::Impl>(net->checkpoint.vae, net->vae_decoder, net->vae_encoder))};
}

}  // namespace impasto
