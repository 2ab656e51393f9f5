#include "pipelines/drawing.h"

#include <algorithm>

#include "core/fail.h"
#include "ops/ops.h"
#include "pipelines/controllers.h"
#include "pipelines/diagnose.h"
#include "pipelines/options.h"
#include "pipelines/picture_prompts.h"
#include "pipelines/prompts.h"
#include "pipelines/tiled_vae.h"
#include "pipelines/to_image.h"

namespace impasto {
namespace {

HostTensor to_host_nchw(const Tensor& latents) {
  const Tensor nchw = ops::nhwc_to_nchw(latents);
  return {{nchw.shape().begin(), nchw.shape().end()}, nchw.to_host()};
}

const Networks& unchanged(const Networks& net) {
  net.checkpoint.require_unchanged();
  return net;
}

}  // namespace

Drawing::Drawing(const Networks& net, const TextToImageOptions& given)
    : net_(unchanged(net)),
      options_(checked(given, net.checkpoint, net.placement(), result_)),
      scheduler_(scheduler_for(options_, net.checkpoint, result_)),
      prediction_type_(read_prediction_type(net.checkpoint.scheduler)),
      noise_(net.backend, result_.seeds, options_.shared_generator, options_.rng) {
  result_.controlnets = net_.control_net_paths;
  for (const PictureNetwork& network : net_.ip_adapters) result_.ip_adapters.push_back(network.path);
  result_.warnings.insert(result_.warnings.end(), net_.warnings.begin(), net_.warnings.end());
  std::vector<ImageTexts> texts = encode_prompts(net_, options_, result_.warnings);
  std::vector<PicturePrompt> pictures = picture_prompts_for(net_, options_);
  unet_.emplace(net_.unet.get(), std::move(texts), options_, controllers_for(net_, options_), std::move(pictures));
  result_.timings.text_encoder = watch_.lap();
}

Shape Drawing::latent_shape() const {
  const std::int64_t scale = net_.checkpoint.vae.scale();
  return {options_.num_images, options_.height / scale, options_.width / scale, net_.checkpoint.vae.latent_channels};
}

Tensor Drawing::first_noise() {
  const Shape shape = latent_shape();
  if (!options_.latents) {
    const Tensor noise = noise_.draw(shape);
    if (result_.variation_seeds.empty()) return noise;
    LatentNoise other(net_.backend, result_.variation_seeds, /*shared=*/false, options_.rng);
    return spherical_mix(noise, other.draw(shape), options_.variation_strength);
  }
  return ops::nchw_to_nhwc(Tensor::from_host(net_.backend, {shape[0], shape[3], shape[1], shape[2]}, options_.latents->values.data()));
}

Tensor Drawing::denoise(const Walk& walk) {
  Tensor latents = walk.latents;  // [n, h, w, 4]
  const auto num_steps = static_cast<int>(scheduler_->timesteps().size());
  const Tensor no_picture = walk.picture_guidance ? ops::combine({{0, walk.more_input}}) : Tensor();
  const int end = end_step(*scheduler_, options_, net_.checkpoint);
  require_walk(walk.first_step, end, options_);
  for (int i = walk.first_step; i < end; ++i) {
    Tensor input = scheduler_->scale_model_input(latents, i);
    PictureGuidance picture;
    if (walk.picture_guidance) picture = {ops::concat_columns(input, no_picture), *walk.picture_guidance};
    if (walk.more_input) input = ops::concat_columns(input, walk.more_input);
    const double timestep = scheduler_->timesteps()[static_cast<std::size_t>(i)];
    const Tensor output = unet_->predict(input, timestep, i, num_steps, walk.picture_guidance ? &picture : nullptr);  // [n, h, w, 4]
    const Tensor before = latents;
    latents = scheduler_->step(output, i, latents, [&](const Shape& s) { return noise_.draw(s); }, {.eta = options_.eta});
    require_finite(latents, i, net_);
    if (walk.after_step) latents = walk.after_step(latents, i);
    report_step(i, end, walk, latents, [&] { return scheduler_->predicted_clean(prediction_type_, output, i, before); });
    result_.timings.steps.push_back(watch_.lap());
  }
  return latents;
}

void Drawing::report_step(int step, int end, const Walk& walk, const Tensor& latents, const std::function<Tensor()>& clean) {
  if (!options_.on_step) return;
  const int own_steps = end - walk.first_step;
  const StepInfo info{.step = walk.steps_before + step - walk.first_step,
                      .num_steps = walk.steps_before + own_steps + walk.steps_after,
                      .timestep = scheduler_->timesteps()[static_cast<std::size_t>(step)],
                      .latents = [&] { return to_host_nchw(latents); },
                      .preview = [&](PreviewMethod method) { return preview(clean(), method); }};
  if (options_.on_step(info) == StepAction::cancel) fail(ErrorKind::cancelled, "cancelled after step ", info.step + 1, " of ", info.num_steps);
}

std::vector<Image> Drawing::preview(const Tensor& clean, PreviewMethod method) {
  if (method == PreviewMethod::tiny && !net_.preview_decoder)
    fail(ErrorKind::invalid_argument, "preview: there is no TAESD to make it by; name one at load (ModelParts::preview_vae, --taesd)");
  const auto decoder = method == PreviewMethod::tiny ? net_.preview_decoder->get() : net_.vae_decoder.get();
  const VaeConfig& vae = method == PreviewMethod::tiny ? *net_.checkpoint.preview_vae : net_.checkpoint.vae;
  if (method == PreviewMethod::linear && !linear_) linear_.emplace(*decoder, vae, net_.backend);
  std::vector<Image> images;
  for (std::int64_t i = 0; i < options_.num_images; ++i) {
    const Tensor latents = clean.slice(i, 1);
    images.push_back(method == PreviewMethod::linear ? resize(linear_->decode(latents), options_.width, options_.height)
                                                     : decode(*decoder, vae, latents));
  }
  net_.vae_backend.recycle_cached_memory();  // the UNet's shapes are others
  return images;
}

/// latents [1, h, w, 4]
Image Drawing::decode(const VaeDecoder& decoder, const VaeConfig& vae, const Tensor& latents) const {
  const Tensor z = ops::combine({{1 / vae.scaling_factor, latents}});
  const Tensor pixels = options_.vae_tiling ? decode_in_tiles(decoder, vae, z) : decoder.forward(z);
  require_finite_picture(pixels, vae, net_.checkpoint);
  return to_image(pixels);
}

std::vector<Image> Drawing::decode(const Tensor& latents) {
  unet_.reset();
  net_.backend.recycle_cached_memory();  // the decoder's shapes are others
  const auto decoder = net_.vae_decoder.get();
  std::vector<Image> images;
  for (std::int64_t i = 0; i < options_.num_images; ++i) images.push_back(decode(*decoder, net_.checkpoint.vae, latents.slice(i, 1)));
  return images;
}

TextToImageResult Drawing::finish(const Tensor& latents) {
  result_.latents = to_host_nchw(latents);
  if (options_.decode) result_.images = decode(latents);
  net_.backend.release_cached_memory(), net_.vae_backend.release_cached_memory();
  result_.timings.vae_decoder = watch_.lap();
  return std::move(result_);
}

}  // namespace impasto
