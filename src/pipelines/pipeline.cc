#include "impasto/pipeline.h"

#include <new>

#include "backend/registry.h"
#include "core/fail.h"
#include "core/threads.h"
#include "pipelines/image_to_image.h"
#include "pipelines/inpaint.h"
#include "pipelines/text_to_image.h"

namespace impasto {
namespace {

/// Runs f; an allocation that failed anywhere inside becomes our error.
template <typename F>
auto guard_memory(const F& f) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::out_of_memory, "an allocation failed; draw smaller or fewer images, or free memory");
  }
}

Networks load_networks(const std::string& path, Backend& backend) {
  Checkpoint c = Checkpoint::open(path);
  ClipTokenizer tokenizer = ClipTokenizer::load(c.tokenizer_folder);
  if (tokenizer.vocabulary_size() > c.text_encoder.vocabulary_size || tokenizer.max_length() > c.text_encoder.max_positions)
    fail(ErrorKind::bad_file, path, ": the tokenizer has ", tokenizer.vocabulary_size(), " ids and ", tokenizer.max_length(),
         " positions, the text encoder only ", c.text_encoder.vocabulary_size, " and ", c.text_encoder.max_positions);
  ClipText text_encoder(c.text_encoder, c.text_encoder_weights, backend);
  UNet unet(c.unet, c.unet_weights, backend);
  VaeDecoder vae_decoder(c.vae, c.vae_weights, backend);
  LateVaeEncoder vae_encoder(c.vae, c.vae_weights, backend);
  return {std::move(c), backend, std::move(tokenizer), std::move(text_encoder), std::move(unet), std::move(vae_decoder), std::move(vae_encoder)};
}

}  // namespace

struct Pipeline::Impl {
  Networks networks;
};

Pipeline Pipeline::load(const std::string& path, const LoadOptions& options) {
  if (options.dtype != "auto" && options.dtype != "float32")
    fail(ErrorKind::unsupported, "dtype \"", options.dtype,
         "\" is not supported; use \"auto\" or \"float32\" (files may hold any of float32, float16, bfloat16)");
  if (options.num_threads < 0 || options.num_threads > 4096)
    fail(ErrorKind::invalid_argument, "num_threads is ", options.num_threads, ", allowed is 0 to 4096");
  Backend& backend = backend_for(options.device);
  if (options.num_threads > 0) set_num_threads(options.num_threads);
  return guard_memory([&] { return Pipeline(std::make_shared<const Impl>(Impl{load_networks(path, backend)})); });
}

TextToImageResult Pipeline::text_to_image(const TextToImageOptions& options) const {
  return guard_memory([&] { return impasto::text_to_image(impl_->networks, options); });
}

TextToImageResult Pipeline::image_to_image(const ImageToImageOptions& options) const {
  return guard_memory([&] { return impasto::image_to_image(impl_->networks, options); });
}

TextToImageResult Pipeline::inpaint(const InpaintOptions& options) const {
  return guard_memory([&] { return impasto::inpaint(impl_->networks, options); });
}

const ModelInfo& Pipeline::info() const { return impl_->networks.checkpoint.info; }

std::string version() { return IMPASTO_VERSION; }

}  // namespace impasto
