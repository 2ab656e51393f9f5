// Text to picture in two passes: small, so that the composition is right, and from there at the size that is wanted.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/drawing.h"

namespace impasto {

struct HiresPass {
  TextToImageOptions options;  ///< of an ordinary walk at the larger size
  int skipped_steps = 0;       ///< of options.num_inference_steps, which A1111 derives from those that are to be run and from strength
};

/// The second pass of `options`, whose size is settled. Throws invalid_argument for options.hires out of range. REQUIRES: options.hires
HiresPass hires_pass(const TextToImageOptions& options, const Checkpoint& checkpoint);

/// From the first pass's beginning, `latents`, to the result. `options` are the caller's, of which `first` was made.
TextToImageResult draw_hires(const Networks& networks, const TextToImageOptions& options, Drawing& first, const Tensor& latents);

/// latents [n, h, w, c] to [n, height, width, c], linearly between the middles of their squares, as torch's interpolate(mode="bilinear",
/// align_corners=False) does without antialias.
Tensor interpolated(const Tensor& latents, std::int64_t height, std::int64_t width);

}  // namespace impasto
