#include "impasto/pipeline.h"

#include "backend/registry.h"
#include "core/cancellation.h"
#include "core/fail.h"
#include "core/guard.h"
#include "core/threads.h"
#include "pipelines/image_to_image.h"
#include "pipelines/text_to_image.h"

namespace impasto {
namespace {

Networks load_networks(const std::string& path, const LoadOptions& options, Backend& backend) {
  const CancellationScope scope(options.should_stop);
  Checkpoint c = Checkpoint::open(path);
  ClipTokenizer tokenizer = ClipTokenizer::load(c.tokenizer_folder);
  if (tokenizer.vocabulary_size() > c.text_encoder.vocabulary_size || tokenizer.max_length() > c.text_encoder.max_positions)
    fail(ErrorKind::bad_file, path, ": the tokenizer has ", tokenizer.vocabulary_size(), " ids and ", tokenizer.max_length(),
         " positions, the text encoder only ", c.text_encoder.vocabulary_size, " and ", c.text_encoder.max_positions);
  if (!options.map_weights) c.copy_weights();
  ClipText text_encoder(c.text_encoder, c.text_encoder_weights, backend);
  UNet unet(c.unet, c.unet_weights, backend);
  VaeDecoder vae_decoder(c.vae, c.vae_weights, backend);
  LateVaeEncoder vae_encoder(c.vae, c.vae_weights, backend);
  return {std::move(c), backend, std::move(tokenizer), std::move(text_encoder), std::move(unet), std::move(vae_decoder), std::move(vae_encoder)};
}

DType arithmetic_named(const std::string& name) {
  if (name == "auto" || name == "float32") return DType::float32;
  if (name == "bfloat16") return DType::bfloat16;
  fail(ErrorKind::unsupported, "dtype \"", name,
       "\" is not supported; use \"float32\" (\"auto\" takes it) or \"bfloat16\" (files may hold any of float32, float16, bfloat16)");
}

}  // namespace

struct Pipeline::Impl {
  Networks networks;
};

Pipeline Pipeline::load(const std::string& path, const LoadOptions& options) {
  const DType arithmetic = arithmetic_named(options.dtype);
  if (options.num_threads < 0 || options.num_threads > 4096)
    fail(ErrorKind::invalid_argument, "num_threads is ", options.num_threads, ", allowed is 0 to 4096");
  return guarded([&] {
    Backend& backend = backend_for(options.device, arithmetic);
    if (options.num_threads > 0) set_num_threads(options.num_threads);
    return Pipeline(std::make_shared<const Impl>(Impl{load_networks(path, options, backend)}));
  });
}

TextToImageResult Pipeline::text_to_image(const TextToImageOptions& options) const {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return impasto::text_to_image(impl_->networks, options); });
}

TextToImageResult Pipeline::image_to_image(const ImageToImageOptions& options) const {
  const CancellationScope scope(options.should_stop);
  return guarded([&] { return impasto::image_to_image(impl_->networks, options); });
}

const ModelInfo& Pipeline::info() const { return impl_->networks.checkpoint.info; }

std::string version() { return IMPASTO_VERSION; }

}  // namespace impasto
