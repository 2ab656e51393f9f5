#include "pipelines/text_to_image.h"

#include <chrono>

#include "core/fail.h"
#include "core/flush_denormals.h"
#include "ops/ops.h"
#include "pipelines/diagnose.h"
#include "pipelines/guidance.h"
#include "pipelines/noise.h"
#include "pipelines/options.h"
#include "pipelines/to_image.h"
#include "schedulers/scheduler.h"

namespace impasto {
namespace {

/// Seconds since it was made or last read.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// The text encoder's view of a prompt, [1, 77, c].
Tensor encode_prompt(const Networks& net, const char* field, const std::string& prompt, int clip_skip, std::vector<std::string>& warnings) {
  const Encoding encoding = net.tokenizer.encode_padded(prompt);
  if (!encoding.cut.empty())
    warnings.push_back(concat(field, " is longer than ", net.tokenizer.max_length(), " tokens: this part was cut: \"", encoding.cut, "\""));
  return net.text_encoder.forward(encoding.ids, 1, clip_skip);
}

/// [2n, 77, c], n times the negative prompt before n times the prompt, or [n, 77, c] without guidance. clip_skip is for the prompt alone, as
/// in diffusers.
Tensor encode_prompts(const Networks& net, const TextToImageOptions& options, std::vector<std::string>& warnings) {
  Tensor context = encode_prompt(net, "prompt", options.prompt, options.clip_skip, warnings);
  if (options.guidance_scale > 1)
    context = ops::concat_images(encode_prompt(net, "negative_prompt", options.negative_prompt, /*clip_skip=*/0, warnings), context);
  return ops::repeat_images(context, options.num_images);
}

HostTensor to_host_nchw(const Tensor& latents) {
  const Tensor nchw = ops::nhwc_to_nchw(latents);
  return {{nchw.shape().begin(), nchw.shape().end()}, nchw.to_host()};
}

Tensor first_latents(const Networks& net, const TextToImageOptions& options, LatentNoise& noise, const Shape& shape) {
  if (!options.latents) return noise.draw(shape);
  return ops::nchw_to_nhwc(Tensor::from_host(net.backend, {shape[0], shape[3], shape[1], shape[2]}, options.latents->values.data()));
}

void report_step(const TextToImageOptions& options, const Scheduler& scheduler, int i, const Tensor& latents) {
  if (!options.on_step) return;
  const StepInfo info{.step = i,
                      .num_steps = static_cast<int>(scheduler.timesteps().size()),
                      .timestep = scheduler.timesteps()[static_cast<std::size_t>(i)],
                      .latents = [&] { return to_host_nchw(latents); }};
  if (options.on_step(info) == StepAction::cancel) fail(ErrorKind::cancelled, "cancelled after step ", i + 1, " of ", info.num_steps);
}

}  // namespace

TextToImageResult text_to_image(const Networks& net, const TextToImageOptions& given) {
  const FlushDenormals flush;
  Stopwatch watch;
  TextToImageResult result;
  net.checkpoint.require_unchanged();
  const TextToImageOptions options = checked(given, net.checkpoint, result);
  const std::int64_t n = options.num_images, scale = net.checkpoint.vae.scale();
  const bool guided = options.guidance_scale > 1;
  const auto scheduler = scheduler_for(options, net.checkpoint, result);

  const Tensor context = encode_prompts(net, options, result.warnings);  // [2n, 77, c]
  const UNet::Conditioning conditioning = net.unet.condition(context);
  result.timings.text_encoder = watch.lap();

  LatentNoise noise(net.backend, result.seeds, options.shared_generator);
  const Shape shape{n, options.height / scale, options.width / scale, net.checkpoint.vae.latent_channels};
  Tensor latents = ops::combine({{scheduler->init_noise_sigma(), first_latents(net, options, noise, shape)}});  // [n, h, w, 4]

  for (int i = 0; i < static_cast<int>(scheduler->timesteps().size()); ++i) {
    const Tensor input = scheduler->scale_model_input(latents, i);
    Tensor output = net.unet.forward(input, scheduler->timesteps()[static_cast<std::size_t>(i)], conditioning);  // [2n, h, w, 4]
    if (guided) output = guide(output, options.guidance_scale, options.guidance_rescale);                        // [n, h, w, 4]
    latents = scheduler->step(output, i, latents, [&](const Shape& s) { return noise.draw(s); }, {.eta = options.eta});
    require_finite(latents, i, net.checkpoint);
    report_step(options, *scheduler, i, latents);
    result.timings.steps.push_back(watch.lap());
  }
  result.latents = to_host_nchw(latents);
  net.backend.release_cached_memory();  // the decoder's shapes are others

  for (std::int64_t i = 0; options.decode && i < n; ++i)
    result.images.push_back(to_image(net.vae_decoder.forward(ops::combine({{1 / net.checkpoint.vae.scaling_factor, latents.slice(i, 1)}}))));
  net.backend.release_cached_memory();
  result.timings.vae_decoder = watch.lap();
  return result;
}

}  // namespace impasto
