#include "pipelines/image_to_image.h"

#include <algorithm>

#include "core/fail.h"
#include "core/guard.h"
#include "ops/ops.h"
#include "pipelines/drawing.h"
#include "pipelines/options.h"
#include "pipelines/starting_picture.h"
#include "pipelines/to_image.h"

namespace impasto {

namespace {

/// The options with the size to draw at.
TextToImageOptions settled(const ImageToImageOptions& options, const Checkpoint& checkpoint) {
  ImageToImageOptions looked_at = options;
  if (checkpoint.info.editing) looked_at.strength = 1;  // it means nothing there
  require_picture(looked_at);
  if (options.image_latents) {
    require_image_latents(options, checkpoint);
    require_ordinary_model(checkpoint);
    return sized_like(*options.image_latents, options, checkpoint);
  }
  TextToImageOptions sized = sized_like(options.image, options, checkpoint);
  if (!checkpoint.info.editing) {
    require_ordinary_model(checkpoint);
    return sized;
  }
  const float scale = options.image_guidance_scale;
  if (!(scale >= 0 && scale <= 1000)) fail(ErrorKind::invalid_argument, "image_guidance_scale is ", scale, ", allowed is 0 to 1000");
  if (options.deep_cache_interval != 1)
    fail(ErrorKind::unsupported, "deep_cache_interval is ", options.deep_cache_interval, "; for a model that edits pictures it has to be 1");
  if (scale < 1) sized.guidance_scale = std::min(*sized.guidance_scale, 1.0f);  // as diffusers: no guidance at all
  return sized;
}

/// From noise, the UNet seeing the picture at each step. The mean of its latents, unscaled, as the model was trained.
TextToImageResult edit(const Networks& net, const ImageToImageOptions& options) {
  Drawing drawing(net, settled(options, net.checkpoint));
  const Image picture = resize(options.image, drawing.options().width, drawing.options().height);
  const Tensor seen = mean_latents(drawing, to_tensor(picture, net.backend));  // [n, h, w, 4]
  drawing.result().timings.vae_encoder = drawing.watch().lap();
  const Tensor latents = ops::combine({{drawing.scheduler().init_noise_sigma(), drawing.first_noise()}});
  return drawing.finish(drawing.denoise({.latents = latents, .more_input = seen, .picture_guidance = options.image_guidance_scale}));
}

/// Those that were given, or the picture's.
Tensor starting_latents(Drawing& drawing, const ImageToImageOptions& options) {
  if (options.image_latents) return given_latents(drawing, *options.image_latents);
  const Image picture = resize(options.image, drawing.options().width, drawing.options().height);
  return sample_latents(drawing, to_tensor(picture, drawing.networks().backend));
}

}  // namespace

TextToImageResult image_to_image(const Networks& net, const ImageToImageOptions& given) {
  ImageToImageOptions options = given;
  fill_in_defaults(options, net.checkpoint.info);
  if (net.checkpoint.info.editing) return edit(net, options);
  Drawing drawing(net, settled(options, net.checkpoint));
  const int first = options.denoising_start ? first_step_from(drawing.scheduler(), *options.denoising_start, net.checkpoint)
                                            : first_step(drawing.scheduler(), *drawing.options().num_inference_steps, *options.strength);
  const Tensor clean = starting_latents(drawing, options);  // [n, h, w, 4]
  drawing.result().timings.vae_encoder = drawing.watch().lap();
  const Tensor latents = options.denoising_start ? clean : drawing.scheduler().add_noise(clean, drawing.first_noise(), first);
  return drawing.finish(drawing.denoise({.latents = latents, .first_step = first}));
}

void check_options(const ImageToImageOptions& options, const ModelInfo& info, const LoadOptions& load) {
  guarded([&] {
    const Checkpoint c = Checkpoint::open(info.path, info.parts);
    ImageToImageOptions all = options;
    fill_in_defaults(all, c.info);
    require_drawable(settled(all, c), c, placement(load));
  });
}

}  // namespace impasto
