// Networks whose weights have adapters merged into them.
#include <algorithm>
#include <cmath>

#include "adapters/adapted_weights.h"
#include "core/fail.h"
#include "impasto/hub.h"
#include "pipelines/networks.h"

namespace impasto {
namespace {

struct Adapters {
  std::vector<AppliedLora> unet, text_encoder, text_encoder_2;

  const std::vector<AppliedLora>& of(AdaptedNetwork text) const { return text == AdaptedNetwork::text_encoder_2 ? text_encoder_2 : text_encoder; }
};

AdaptedNetwork network_of(const TextPart& text) {
  return text.name == kSecondTextEncoder ? AdaptedNetwork::text_encoder_2 : AdaptedNetwork::text_encoder;
}

/// Modules that an adapter changes in networks which the checkpoint does not have.
std::vector<std::string> modules_of_others(const LoraFile& file, const Checkpoint& c) {
  std::vector<std::string> names;
  for (const AdaptedNetwork network : {AdaptedNetwork::text_encoder, AdaptedNetwork::text_encoder_2}) {
    if (std::any_of(c.texts.begin(), c.texts.end(), [&](const TextPart& text) { return network_of(text) == network; })) continue;
    for (const auto& [name, module] : file.modules(network)) names.push_back(std::string(to_string(network)) + ": " + name);
  }
  return names;
}

void require_scale(const std::string& path, float scale) {
  if (!std::isfinite(scale)) fail(ErrorKind::invalid_argument, path, ": scale is ", scale, ", which is not a number");
}

/// Opens the files. Throws when one changes nothing of this checkpoint; where some of a file fits, says in `warnings` what does not.
Adapters open_all(const std::vector<Lora>& loras, const Checkpoint& c, std::vector<std::string>& warnings) {
  Adapters adapters;
  for (const Lora& lora : loras) {
    const float text_scale = lora.text_encoder_scale.value_or(lora.scale);
    const float second_scale = lora.text_encoder_2_scale.value_or(text_scale);
    for (const float scale : {lora.scale, text_scale, second_scale}) require_scale(lora.path, scale);
    LoraFile opened = LoraFile::open(find_adapter(lora.path));
    opened.rename_original_modules(c.unet_weights->names());
    const auto file = std::make_shared<const LoraFile>(std::move(opened));
    std::vector<std::string> strange = unmatched_modules(*file, *c.unet_weights, AdaptedNetwork::unet);
    const auto add = [&](const std::vector<std::string>& more) { strange.insert(strange.end(), more.begin(), more.end()); };
    for (const TextPart& text : c.texts) add(unmatched_modules(*file, *text.weights, network_of(text)));
    add(modules_of_others(*file, c));
    std::size_t all = 0;
    for (const auto network : {AdaptedNetwork::unet, AdaptedNetwork::text_encoder, AdaptedNetwork::text_encoder_2})
      all += file->modules(network).size();
    if (strange.size() == all)
      fail(ErrorKind::bad_file, lora.path, ": made for another model: none of the ", all, " layers that it changes is in ", c.info.path,
           ", for example ", strange.front());
    if (!strange.empty())
      warnings.push_back(concat(lora.path, ": ", strange.size(), " of the ", all,
                                " layers that it changes are not in this model and were left out, for example ", strange.front()));
    if (!file->unknown().empty())
      warnings.push_back(concat(lora.path, ": ", file->unknown().size(), " tensors were left out, since their names say nothing, for example ",
                                file->unknown().front()));
    adapters.unet.push_back({file, lora.scale});
    adapters.text_encoder.push_back({file, text_scale});
    adapters.text_encoder_2.push_back({file, second_scale});
  }
  return adapters;
}

template <class T, class Config>
Component<T> adapted(const Networks& net, const Config& config, const std::shared_ptr<const WeightReader>& weights, AdaptedNetwork network,
                     const std::vector<AppliedLora>& adapters, Backend& backend) {
  const auto build = [=, copy = net.copy_late](Backend& b) {
    return std::make_shared<const T>(config, adapted_weights(copy && b.shares_host_memory() ? copied_weights(*weights) : weights, network, adapters),
                                     b);
  };
  const Component<T> component(net.keep, backend, build);
  component.get();  // what does not fit is told now
  return component;
}

}  // namespace

Networks with_loras(const Networks& net, const std::vector<Lora>& loras) {
  const Checkpoint& c = net.checkpoint;
  Networks changed = net;
  changed.warnings.clear();
  changed.lora_paths.clear();
  for (const Lora& lora : loras) changed.lora_paths.push_back(lora.path);
  const Adapters adapters = open_all(loras, c, changed.warnings);
  for (std::size_t i = 0; i < c.texts.size(); ++i) {
    const TextPart& text = c.texts[i];
    changed.texts[i].encoder = adapted<ClipText>(net, text.config, text.weights, network_of(text), adapters.of(network_of(text)), net.text_backend);
  }
  changed.unet = adapted<UNet>(net, c.unet, c.unet_weights, AdaptedNetwork::unet, adapters.unet, net.backend);
  return changed;
}

}  // namespace impasto
