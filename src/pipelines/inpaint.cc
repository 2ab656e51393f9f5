#include "pipelines/inpaint.h"

#include <algorithm>

#include "core/fail.h"
#include "core/guard.h"
#include "ops/ops.h"
#include "pipelines/drawing.h"
#include "pipelines/inpaint_picture.h"
#include "pipelines/options.h"
#include "pipelines/starting_picture.h"
#include "pipelines/to_image.h"

namespace impasto {
namespace {

/// The picture with zeros (middle grey) where it is masked.
Tensor masked_pixels(const Tensor& pixels, const Pixels& mask) {
  std::vector<float> values = pixels.to_host();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (mask.values[i / 3] != 0) values[i] = 0;
  return Tensor::from_host(pixels.backend(), pixels.shape(), values.data());
}

/// The mask at the latents' size, 1 where it is white, each value `channels` times; [n, h, w, channels]. Each latent takes the mask's value at its
/// left upper pixel, as torch's nearest interpolation does.
Tensor latent_mask(const Drawing& drawing, const Pixels& mask, std::int64_t channels) {
  const Shape all = drawing.latent_shape();
  const auto scale = static_cast<std::size_t>(mask.height / all[1]);
  std::vector<float> values;
  for (std::size_t y = 0; y < static_cast<std::size_t>(all[1]); ++y)
    for (std::size_t x = 0; x < static_cast<std::size_t>(all[2]); ++x)
      values.insert(values.end(), static_cast<std::size_t>(channels), mask.row(static_cast<int>(y * scale))[x * scale] != 0 ? 1.0f : 0.0f);
  return ops::tile_images(Tensor::from_host(drawing.networks().backend, {1, all[1], all[2], channels}, values.data()), all[0]);
}

/// For ordinary models: what lies outside the mask is laid over the latents again after each step, at its noise level.
class Surroundings {
 public:
  /// clean, noise and mask [n, h, w, 4]; the mask holds 0 and 1.
  Surroundings(const Scheduler& scheduler, const Tensor& clean, const Tensor& noise, const Tensor& mask)
      : scheduler_(scheduler), clean_(clean), noise_(noise), inside_(flat(mask)) {
    std::vector<float> values = mask.to_host();
    zeros_ = Tensor::from_host(mask.backend(), inside_.shape(), std::vector<float>(values.size()).data());
    for (float& value : values) value = 1 - value;
    outside_ = Tensor::from_host(mask.backend(), inside_.shape(), values.data());
  }

  /// (1 - mask) * surroundings + mask * latents
  Tensor operator()(const Tensor& latents, int step) const {
    const bool last = static_cast<std::size_t>(step) + 1 == scheduler_.timesteps().size();
    const Tensor around = last ? clean_ : scheduler_.add_noise(clean_, noise_, step + 1);
    const Tensor kept = ops::apply({outside_, zeros_}, flat(around));
    return ops::apply({inside_, kept}, flat(latents)).reshape(latents.shape());
  }

 private:
  /// An image's values as so many channels: an affine map then has a factor for each value.
  static Tensor flat(const Tensor& x) { return x.reshape({x.dim(0), x.view().count() / x.dim(0)}); }

  const Scheduler& scheduler_;
  const Tensor clean_, noise_, inside_;
  Tensor outside_, zeros_;
};

/// Everything but the prompt. Noise is drawn in the order of diffusers: the picture's posterior where its latents are used, the first noise,
/// the posterior of the picture around the mask (even where that is not used).
Walk prepare(Drawing& drawing, const InpaintPicture& picture, const InpaintOptions& options) {
  const Networks& net = drawing.networks();
  const Scheduler& scheduler = drawing.scheduler();
  const bool sees_mask = net.checkpoint.info.inpainting, goes_on = options.image_latents.has_value(), from_noise = !goes_on && options.strength == 1;
  const Tensor pixels = to_tensor(picture.working_image(), net.backend);
  const Pixels mask = picture.working_mask();

  Walk walk;
  walk.first_step = goes_on ? first_step_from(scheduler, *options.denoising_start, net.checkpoint)
                            : first_step(scheduler, *drawing.options().num_inference_steps, *options.strength);
  Tensor clean;  // [n, h, w, 4]
  if (!sees_mask || !(from_noise || goes_on)) clean = sample_latents(drawing, pixels);
  const Tensor noise = drawing.first_noise();
  if (goes_on)
    walk.latents = given_latents(drawing, *options.image_latents);
  else
    walk.latents = from_noise ? ops::combine({{scheduler.init_noise_sigma(), noise}}) : scheduler.add_noise(clean, noise, walk.first_step);
  if (sees_mask) {
    const Tensor around = sample_latents(drawing, masked_pixels(pixels, mask));
    walk.more_input = ops::concat_columns(latent_mask(drawing, mask, 1), around);  // [n, h, w, 5]
  } else {
    posterior_noise(drawing);
    walk.after_step = Surroundings(scheduler, clean, noise, latent_mask(drawing, mask, drawing.latent_shape()[3]));
  }
  drawing.result().timings.vae_encoder = drawing.watch().lap();
  return walk;
}

void warn_of_a_thin_mask(Drawing& drawing, const InpaintPicture& picture, InpaintArea area) {
  const std::vector<float> mask = latent_mask(drawing, picture.working_mask(), 1).to_host();
  if (std::find(mask.begin(), mask.end(), 1.0f) != mask.end()) return;
  drawing.result().warnings.push_back(
      concat("the mask is so thin, or so blurred, that it meets no point of the model's grid, and nothing new is painted; make it wider, ",
             area == InpaintArea::masked ? "blur it less, or draw larger (width and height)" : "or set inpaint_area to masked"));
}

}  // namespace

TextToImageResult inpaint(const Networks& net, const InpaintOptions& given) {
  InpaintOptions options = given;
  fill_in_defaults(options, net.checkpoint.info);
  std::vector<std::string> warnings;
  const InpaintPicture picture(options, net.checkpoint, warnings);
  Drawing drawing(net, picture.sized());
  drawing.result().warnings.insert(drawing.result().warnings.begin(), warnings.begin(), warnings.end());
  warn_of_a_thin_mask(drawing, picture, options.inpaint_area);
  TextToImageResult result = drawing.finish(drawing.denoise(prepare(drawing, picture, options)));
  picture.put_in_place(result.images);
  return result;
}

void check_options(const InpaintOptions& options, const ModelInfo& info, const LoadOptions& load) {
  guarded([&] {
    const Checkpoint c = Checkpoint::open(info.path, info.parts);
    std::vector<std::string> warnings;
    InpaintOptions all = options;
    fill_in_defaults(all, c.info);
    require_drawable(InpaintPicture(all, c, warnings).sized(), c, placement(load));
  });
}

}  // namespace impasto
