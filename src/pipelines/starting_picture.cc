#include "pipelines/starting_picture.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"
#include "image/pixels.h"
#include "ops/ops.h"
#include "pipelines/columns.h"
#include "pipelines/options.h"
#include "pipelines/tiled_vae.h"

namespace impasto {
namespace {

int steps_to_run(int num_inference_steps, double strength) { return std::min(static_cast<int>(num_inference_steps * strength), num_inference_steps); }

/// `side` as long to the picture's as `other` is to the picture's other, to the nearest multiple of `scale`.
int in_proportion(int side, int other, int picture_side, int picture_other, int scale) {
  if (side != 0) return side;
  const double exact = static_cast<double>(other) * picture_side / picture_other;
  return scale * std::max(1, static_cast<int>(std::lround(std::min(exact, 1e6) / scale)));
}

void require_strength(const ImageToImageOptions& o) {
  if (o.denoising_start) return;
  const double strength = *o.strength;
  if (!(strength > 0 && strength <= 1)) fail(ErrorKind::invalid_argument, "strength is ", strength, ", allowed is above 0 and up to 1");
  const int steps = inference_steps(o);
  if (steps >= 1 && steps_to_run(steps, strength) < 1)
    fail(ErrorKind::invalid_argument, "strength ", strength, " of num_inference_steps ", steps, " is less than one step; take more of either");
}

}  // namespace

void require_picture(const ImageToImageOptions& o) {
  if (o.image_latents && o.image.width > 0) fail(ErrorKind::invalid_argument, "image and image_latents are both set: give one of the two");
  require_start(o);
  if (!o.image_latents) require_pixels(o.image);
}

void require_start(const ImageToImageOptions& o) {
  if (o.denoising_start && !(*o.denoising_start > 0 && *o.denoising_start < o.denoising_end.value_or(1)))
    fail(ErrorKind::invalid_argument, "denoising_start is ", *o.denoising_start, ", allowed is between 0 and ",
         o.denoising_end ? "denoising_end, " : "", o.denoising_end.value_or(1));
  if (o.hires) fail(ErrorKind::invalid_argument, "hires is of text to picture only; name a larger width and height instead");
  require_strength(o);
}

void require_pixels(const Image& image) {
  if (image.width < 1 || image.height < 1)
    fail(ErrorKind::invalid_argument, "image is ", image.width, " x ", image.height, " pixels; a picture to start from is needed");
  if (!is_whole(image))
    fail(ErrorKind::invalid_argument, "image has ", image.pixels.size(), " bytes of pixels, which do not make ", image.width, " x ", image.height,
         " (3 bytes each)");
}

TextToImageOptions sized_like(const Image& image, TextToImageOptions o, const Checkpoint& c) {
  const int scale = static_cast<int>(c.vae.scale()), width = o.width, height = o.height;
  if (width != 0 || height != 0) {
    o.width = in_proportion(width, height, image.width, image.height, scale);
    o.height = in_proportion(height, width, image.height, image.width, scale);
    return o;
  }
  if (image.width < scale || image.height < scale)
    fail(ErrorKind::invalid_argument, "image is ", image.width, " x ", image.height, " pixels, at least ", scale, " x ", scale,
         " are needed; give width and height to enlarge it");
  o.width = image.width - image.width % scale;
  o.height = image.height - image.height % scale;
  return o;
}

TextToImageOptions sized_like(const HostTensor& latents, TextToImageOptions o, const Checkpoint& c) {
  const auto height = static_cast<int>(latents.shape[2] * c.vae.scale()), width = static_cast<int>(latents.shape[3] * c.vae.scale());
  if ((o.width != 0 && o.width != width) || (o.height != 0 && o.height != height))
    fail(ErrorKind::invalid_argument, "width and height are ", o.width, " x ", o.height, ", but image_latents are those of ", width, " x ", height);
  o.width = width, o.height = height;
  return o;
}

int first_step(const Scheduler& scheduler, int num_inference_steps, double strength) {
  return (num_inference_steps - steps_to_run(num_inference_steps, strength)) * scheduler.order();
}

int first_step_from(const Scheduler& scheduler, double denoising_start, const Checkpoint& c) {
  const std::vector<double>& timesteps = scheduler.timesteps();
  const double cutoff = timestep_at(denoising_start, c);
  auto left = std::count_if(timesteps.begin(), timesteps.end(), [&](double t) { return t < cutoff; });
  if (scheduler.order() == 2 && left % 2 == 0) ++left;
  if (left < 1)
    fail(ErrorKind::invalid_argument, "denoising_start ", denoising_start, " leaves no step of num_inference_steps; take more, or begin earlier");
  return static_cast<int>(timesteps.size()) - static_cast<int>(std::min<std::ptrdiff_t>(left, std::ssize(timesteps)));
}

void require_image_latents(const ImageToImageOptions& o, const Checkpoint& c) {
  const auto& shape = o.image_latents->shape;
  const std::int64_t images = o.num_images * static_cast<std::int64_t>(std::max<std::size_t>(o.prompts.size(), 1)), channels = c.vae.latent_channels;
  const bool fits = shape.size() == 4 && (shape[0] == 1 || shape[0] == images) && shape[1] == channels && shape[2] >= 1 && shape[3] >= 1 &&
                    shape[2] <= 4096 && shape[3] <= 4096 &&
                    static_cast<std::int64_t>(o.image_latents->values.size()) == shape[0] * shape[1] * shape[2] * shape[3];
  if (!fits)
    fail(ErrorKind::invalid_argument, "image_latents have shape ", shape.size() <= Shape::kMaxRank ? Shape(shape).to_string() : "of many dimensions",
         " and ", o.image_latents->values.size(), " values, expected [1 or ", images, ", ", channels, ", height / ", c.vae.scale(), ", width / ",
         c.vae.scale(), "]");
}

Tensor given_latents(const Drawing& drawing, const HostTensor& latents) {
  return ops::tile_images(ops::nchw_to_nhwc(Tensor::from_host(drawing.networks().backend, Shape(latents.shape), latents.values.data())),
                          drawing.options().num_images);
}

Tensor mean_latents(Drawing& drawing, const Tensor& pixels) {
  const Networks& net = drawing.networks();
  const auto encoder = net.vae_encoder.get();
  const Tensor encoded = drawing.options().vae_tiling ? encode_in_tiles(*encoder, net.checkpoint.vae, pixels) : encoder->forward(pixels);
  const Tensor mean = copied_columns(encoded, 0, net.checkpoint.vae.latent_channels);
  net.vae_backend.recycle_cached_memory();  // the UNet's shapes are others
  return ops::tile_images(mean, drawing.options().num_images);
}

Tensor posterior_noise(Drawing& drawing, std::int64_t pictures) {
  const Shape shape = drawing.latent_shape(), all{std::max(drawing.noise().streams(), pictures), shape[1], shape[2], shape[3]};
  if (drawing.networks().checkpoint.vae.has_posterior()) return drawing.noise().draw(all);
  return Tensor::from_host(drawing.networks().backend, all, std::vector<float>(static_cast<std::size_t>(all.count())).data());
}

Tensor sample_latents(Drawing& drawing, const Tensor& pixels) {
  const Networks& net = drawing.networks();
  const auto encoder = net.vae_encoder.get();
  const bool tiled = drawing.options().vae_tiling;
  std::vector<float> moments;  // [pictures, h, w, 8]
  for (std::int64_t i = 0; i < pixels.dim(0); ++i) {
    const Tensor picture = pixels.slice(i, 1), encoded = tiled ? encode_in_tiles(*encoder, net.checkpoint.vae, picture) : encoder->forward(picture);
    const std::vector<float> values = encoded.to_host();
    moments.insert(moments.end(), values.begin(), values.end());
  }
  const Tensor noise = posterior_noise(drawing, pixels.dim(0));
  const auto channels = static_cast<std::size_t>(net.checkpoint.vae.latent_channels);
  const auto scaling = static_cast<float>(net.checkpoint.vae.scaling_factor);
  std::vector<float> latents = noise.to_host();
  for (std::size_t i = 0; i < latents.size(); ++i) {
    const float* at = &moments[i / channels * 2 * channels % moments.size() + i % channels];  // the mean, and `channels` further on the log variance
    latents[i] = scaling * (at[0] + std::exp(0.5f * std::clamp(at[channels], -30.0f, 20.0f)) * latents[i]);
  }
  net.vae_backend.recycle_cached_memory();  // the UNet's shapes are others
  return ops::tile_images(Tensor::from_host(net.backend, noise.shape(), latents.data()), drawing.options().num_images);
}

}  // namespace impasto
