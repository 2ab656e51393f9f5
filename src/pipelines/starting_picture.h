// What tasks that start from a picture need: its size, its latents, and where in the walk to begin.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/drawing.h"

namespace impasto {

// Of options whose strength is set.
/// Throws invalid_argument unless strength or denoising_start leaves a step to run.
void require_start(const ImageToImageOptions& options);
/// Throws invalid_argument unless it is a picture.
void require_pixels(const Image& image);
/// Both, for a picture or latents instead of it.
void require_picture(const ImageToImageOptions& options);

/// The options with the size that follows from the picture's where none is given. `name` is the picture's in messages.
TextToImageOptions sized_like(const Image& image, TextToImageOptions options, const Checkpoint& checkpoint);

/// The same for latents [n, channels, h, w]. Throws invalid_argument for another size.
TextToImageOptions sized_like(const HostTensor& latents, TextToImageOptions options, const Checkpoint& checkpoint);

/// Index into the scheduler's timesteps of the first step to run: the last int(num_inference_steps * strength) steps are.
int first_step(const Scheduler& scheduler, int num_inference_steps, double strength);

/// The same where a share of the walk is done already: the first timestep below what is left, and in schedulers that call the network twice a step,
/// the first of the two. Throws invalid_argument when no step is left.
int first_step_from(const Scheduler& scheduler, double denoising_start, const Checkpoint& checkpoint);

/// Throws invalid_argument unless latents that a picture is drawn from are some of this checkpoint.
void require_image_latents(const ImageToImageOptions& options, const Checkpoint& checkpoint);

/// Latents that the caller gives, [n, h, w, 4].
Tensor given_latents(const Drawing& drawing, const HostTensor& latents);

/// Latents of a picture as to_tensor gives it, or of one for each image, whose sides are multiples of 8; [n, h, w, 4]: mean + deviation * noise,
/// scaled. One noise for each of the call's streams and pictures, so that with a shared stream and one picture all images start from the same
/// latents, as in diffusers.
Tensor sample_latents(Drawing& drawing, const Tensor& pixels);

/// The mean alone, not scaled; [n, h, w, 4].
Tensor mean_latents(Drawing& drawing, const Tensor& pixels);

/// Draws the noise that sample_latents would have drawn: zeros for a VAE that has no posterior.
Tensor posterior_noise(Drawing& drawing, std::int64_t pictures = 1);

}  // namespace impasto
