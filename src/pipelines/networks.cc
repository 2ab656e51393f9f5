#include "pipelines/networks.h"

#include "backend/registry.h"
#include "core/cancellation.h"
#include "core/fail.h"
#include "core/threads.h"

namespace impasto {
namespace {

DType arithmetic_named(const std::string& name) {
  if (name == "auto" || name == "float32") return DType::float32;
  if (name == "bfloat16") return DType::bfloat16;
  fail(ErrorKind::unsupported, "dtype \"", name,
       "\" is not supported; use \"float32\" (\"auto\" takes it) or \"bfloat16\" (files may hold any of float32, float16, bfloat16)");
}

/// What makes a network of a checkpoint.
template <class T, class Config>
typename Component<T>::Build built(const Config& config, const std::shared_ptr<const WeightReader>& weights, Backend& backend, bool copy) {
  return [=, &backend] { return std::make_shared<const T>(config, copy ? copied_weights(*weights) : weights, backend); };
}

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
void require_tensors(const Checkpoint& c, Backend& backend) {
  for (const TextPart& text : c.texts) ClipText(text.config, text.weights, backend);
  UNet(c.unet, c.unet_weights, backend);
  VaeDecoder(c.vae, c.vae_weights, backend);
}

}  // namespace

Backend& chosen_backend(const LoadOptions& options) {
  const DType arithmetic = arithmetic_named(options.dtype);
  if (options.num_threads < 0 || options.num_threads > 4096)
    fail(ErrorKind::invalid_argument, "num_threads is ", options.num_threads, ", allowed is 0 to 4096");
  Backend& backend = backend_for(options.device, arithmetic);
  if (options.num_threads > 0) set_num_threads(options.num_threads);
  return backend;
}

Networks load_networks(const std::string& path, const LoadOptions& options, Backend& backend) {
  const CancellationScope scope(options.should_stop);
  Checkpoint c = Checkpoint::open(path, options.parts);
  std::vector<ClipTokenizer> tokenizers;
  for (const TextPart& text : c.texts) tokenizers.push_back(load_tokenizer(c, text));
  const bool low_memory = options.low_memory;
  if (!options.map_weights && !low_memory) c.copy_weights();
  const bool copy_late = !options.map_weights && low_memory;
  const Keep keep = low_memory ? Keep::in_use : Keep::always;
  std::vector<TextNetwork> texts;
  for (std::size_t i = 0; i < c.texts.size(); ++i)
    texts.push_back({tokenizers[i], {keep, built<ClipText>(c.texts[i].config, c.texts[i].weights, backend, copy_late)}});
  Networks net{c,
               backend,
               std::move(texts),
               {keep, built<UNet>(c.unet, c.unet_weights, backend, copy_late)},
               {keep, built<VaeDecoder>(c.vae, c.vae_weights, backend, copy_late)},
               {keep, built<VaeEncoder>(c.vae, c.vae_weights, backend, copy_late)},
               {},
               {},
               {},
               keep,
               options.map_weights,
               copy_late};
  if (c.preview_vae) net.preview_decoder.emplace(keep, built<VaeDecoder>(*c.preview_vae, c.preview_vae_weights, backend, copy_late));
  if (c.safety_checker)  // late: few calls want it
    net.safety_checker.emplace(keep, built<SafetyChecker>(*c.safety_checker, c.safety_checker_weights, backend, !options.map_weights));
  if (net.preview_decoder) net.preview_decoder->get();  // what is missing is told now
  if (low_memory) {
    require_tensors(c, backend);
  } else {
    for (const TextNetwork& text : net.texts) text.encoder.get();
    net.unet.get(), net.vae_decoder.get();
  }
  return net;
}

}  // namespace impasto
