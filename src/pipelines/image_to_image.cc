#include "pipelines/image_to_image.h"

#include "core/guard.h"
#include "pipelines/drawing.h"
#include "pipelines/options.h"
#include "pipelines/starting_picture.h"
#include "pipelines/to_image.h"

namespace impasto {

namespace {

/// The options with the size to draw at.
TextToImageOptions settled(const ImageToImageOptions& options, const Checkpoint& checkpoint) {
  require_picture(options);
  require_ordinary_model(checkpoint);
  return sized_like(options.image, options, checkpoint);
}

}  // namespace

TextToImageResult image_to_image(const Networks& net, const ImageToImageOptions& options) {
  Drawing drawing(net, settled(options, net.checkpoint));
  const int first = first_step(drawing.scheduler(), options.num_inference_steps, options.strength);
  const Image picture = resize(options.image, drawing.options().width, drawing.options().height);
  const Tensor clean = sample_latents(drawing, to_tensor(picture, net.backend));  // [n, h, w, 4]
  drawing.result().timings.vae_encoder = drawing.watch().lap();
  const Tensor latents = drawing.scheduler().add_noise(clean, drawing.first_noise(), first);
  return drawing.finish(drawing.denoise({.latents = latents, .first_step = first}));
}

void check_options(const ImageToImageOptions& options, const ModelInfo& info) {
  guarded([&] {
    const Checkpoint c = Checkpoint::open(info.path, info.parts);
    require_drawable(settled(options, c), c);
  });
}

}  // namespace impasto
