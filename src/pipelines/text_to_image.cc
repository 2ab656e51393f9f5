#include "pipelines/text_to_image.h"

#include "ops/ops.h"
#include "pipelines/drawing.h"
#include "pipelines/hires.h"
#include "pipelines/options.h"

namespace impasto {

TextToImageResult text_to_image(const Networks& net, const TextToImageOptions& options) {
  require_ordinary_model(net.checkpoint);
  TextToImageOptions first = options;
  if (first.hires) first.denoising_end.reset();  // where the second pass ends
  Drawing drawing(net, first);
  const Tensor latents = ops::combine({{drawing.scheduler().init_noise_sigma(), drawing.first_noise()}});  // [n, h, w, 4]
  if (options.hires) return draw_hires(net, options, drawing, latents);
  return drawing.finish(drawing.denoise({.latents = latents}));
}

}  // namespace impasto
