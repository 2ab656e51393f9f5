#include "pipelines/networks.h"

#include "backend/registry.h"
#include "core/cancellation.h"
#include "core/fail.h"

namespace impasto {
namespace {

ClipTokenizer load_tokenizer(const Checkpoint& c, const TextPart& text) {
  if (text.tokenizer_folder.empty())
    fail(ErrorKind::not_found, c.info.path,
         ": a single file holds no tokenizer; put vocab.json and merges.txt, those of openai/clip-vit-large-patch14, "
         "into a folder \"tokenizer\" beside it, or name the folder that has them (tokenizer: --tokenizer DIR)");
  ClipTokenizer tokenizer = ClipTokenizer::load(text.tokenizer_folder, text.tokenizer_pad);
  if (tokenizer.vocabulary_size() > text.config.vocabulary_size || tokenizer.max_length() > text.config.max_positions)
    fail(ErrorKind::bad_file, c.info.path, ": the tokenizer has ", tokenizer.vocabulary_size(), " ids and ", tokenizer.max_length(), " positions, ",
         text.name, " only ", text.config.vocabulary_size, " and ", text.config.max_positions);
  return tokenizer;
}

/// Builds each network once over the mapped files, which touches hardly any of their pages: what is missing or of a wrong shape is told at
/// load.
void require_tensors(const Checkpoint& c, const Placement& on) {
  for (const TextPart& text : c.texts) ClipText(text.config, text.weights, on.text_encoder);
  UNet(c.unet, c.unet_weights, on.unet);
  VaeDecoder(c.vae, c.vae_weights, on.vae);
}

/// The VAE of models of the XL kind where it has the range that it needs, unless its config says that it needs none.
Placement with_range(const Checkpoint& c, const Placement& on) {
  const bool wide = c.unet.added_channels > 0 && c.vae.force_upcast && !c.vae.tiny;
  return {on.unet, on.text_encoder, wide ? on.vae.with_wide_range() : on.vae};
}

}  // namespace

Networks load_networks(const std::string& path, const LoadOptions& options, const Placement& asked) {
  const CancellationScope scope(options.should_stop);
  Checkpoint c = Checkpoint::open(path, options.parts);
  const Placement on = with_range(c, asked);
  std::vector<ClipTokenizer> tokenizers;
  for (const TextPart& text : c.texts) tokenizers.push_back(load_tokenizer(c, text));
  const bool low_memory = options.low_memory;
  const bool map = options.map_weights || on.off_the_host();  // they are read once
  if (!map && !low_memory) c.copy_weights();
  const bool copy_late = map ? !options.map_weights : low_memory;
  const Keep keep = low_memory ? Keep::in_use : Keep::always;
  std::vector<TextNetwork> texts;
  for (std::size_t i = 0; i < c.texts.size(); ++i)
    texts.push_back({tokenizers[i], component<ClipText>(keep, on.text_encoder, c.texts[i].config, c.texts[i].weights, copy_late)});
  Networks net{c,
               on.unet,
               on.text_encoder,
               on.vae,
               std::move(texts),
               component<UNet>(keep, on.unet, c.unet, c.unet_weights, copy_late),
               component<VaeDecoder>(keep, on.vae, c.vae, c.vae_weights, copy_late),
               component<VaeEncoder>(keep, on.vae, c.vae, c.vae_weights, copy_late),
               {},
               {},
               {},
               keep,
               map,
               copy_late};
  if (c.preview_vae) net.preview_decoder = component<VaeDecoder>(keep, on.vae, *c.preview_vae, c.preview_vae_weights, copy_late);
  if (c.safety_checker)  // late: few calls want it
    net.safety_checker = component<SafetyChecker>(keep, on.vae, *c.safety_checker, c.safety_checker_weights, !options.map_weights);
  if (net.preview_decoder) net.preview_decoder->get();  // what is missing is told now
  if (low_memory) {
    Backend& cpu = backend_for("cpu");  // which reads hardly any of their bytes
    require_tensors(c, {cpu, cpu, cpu});
  } else {
    for (const TextNetwork& text : net.texts) text.encoder.get();
    net.unet.get(), net.vae_decoder.get();
  }
  return net;
}

Networks moved(const Networks& net, const Placement& asked) {
  const Placement to = with_range(net.checkpoint, asked);
  Networks there{net.checkpoint,
                 to.unet,
                 to.text_encoder,
                 to.vae,
                 {},
                 net.unet.on(to.unet),
                 net.vae_decoder.on(to.vae),
                 net.vae_encoder.on(to.vae),
                 {},
                 {},
                 net.control_net_paths,
                 net.keep,
                 net.mapped,
                 net.copy_late,
                 net.warnings};
  for (const TextNetwork& text : net.texts) there.texts.push_back({text.tokenizer, text.encoder.on(to.text_encoder)});
  for (const Component<ControlNet>& control : net.control_nets) there.control_nets.push_back(control.on(to.unet));
  if (net.preview_decoder) there.preview_decoder = net.preview_decoder->on(to.vae);
  if (net.safety_checker) there.safety_checker = net.safety_checker->on(to.vae);
  for (const PictureNetwork& p : net.ip_adapters) {
    const auto encoder = p.encoder ? std::optional(p.encoder->on(to.text_encoder)) : std::nullopt;
    there.ip_adapters.push_back({p.path, p.projection, p.adapter.on(to.unet), encoder});
  }
  return there;
}

}  // namespace impasto
