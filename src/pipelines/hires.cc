#include "pipelines/hires.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"
#include "ops/ops.h"
#include "pipelines/options.h"
#include "pipelines/starting_picture.h"
#include "pipelines/to_image.h"

namespace impasto {
namespace {

constexpr double kLargestScale = 8;

void check(const Hires& h) {
  if (!(h.scale >= 1 && h.scale <= kLargestScale)) fail(ErrorKind::invalid_argument, "hires.scale is ", h.scale, ", allowed is 1 to ", kLargestScale);
  if (!(h.strength > 0 && h.strength <= 1)) fail(ErrorKind::invalid_argument, "hires.strength is ", h.strength, ", allowed is above 0 and up to 1");
  if (h.num_inference_steps < 0 || h.num_inference_steps > 100000)
    fail(ErrorKind::invalid_argument, "hires.num_inference_steps is ", h.num_inference_steps, ", allowed is 1 to 100000, and 0 for as many as in ",
         "the first pass");
}

/// Where an output's value comes from along one side: two inputs, and how much of the second.
struct Between {
  std::int64_t first, second;
  float share;
};

std::vector<Between> places(std::int64_t from, std::int64_t to) {
  std::vector<Between> all;
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const float at = std::max(0.0f, scale * (static_cast<float>(i) + 0.5f) - 0.5f);
    const auto first = std::min(static_cast<std::int64_t>(at), from - 1);
    all.push_back({first, std::min(first + 1, from - 1), at - static_cast<float>(first)});
  }
  return all;
}

/// The pictures as the encoder wants them: [n, h, w, 3].
Tensor enlarged(const std::vector<Image>& pictures, int width, int height, Backend& backend) {
  Tensor all;
  for (const Image& picture : pictures) {
    const Tensor one = to_tensor(resize(picture, width, height), backend);
    all = all ? ops::concat_images(all, one) : one;
  }
  return all;
}

/// The second pass's result as the whole call's.
TextToImageResult joined(const TextToImageResult& first, TextToImageResult result) {
  result.width = first.width, result.height = first.height;
  const Timings& t = first.timings;
  result.timings.text_encoder += t.text_encoder;
  result.timings.vae_decoder += t.vae_decoder;
  result.timings.steps.insert(result.timings.steps.begin(), t.steps.begin(), t.steps.end());
  for (const std::string& warning : first.warnings)
    if (std::find(result.warnings.begin(), result.warnings.end(), warning) == result.warnings.end()) result.warnings.push_back(warning);
  return result;
}

}  // namespace

HiresPass hires_pass(const TextToImageOptions& options, const Checkpoint& c) {
  const Hires& h = *options.hires;
  check(h);
  const auto scale = static_cast<int>(c.vae.scale());
  const auto larger = [&](int side) { return static_cast<int>(side * h.scale) / scale * scale; };
  HiresPass pass{options};
  pass.options.hires.reset();
  pass.options.latents.reset();
  pass.options.width = larger(options.width), pass.options.height = larger(options.height);
  const int run = h.num_inference_steps > 0 ? h.num_inference_steps : *options.num_inference_steps;
  pass.options.num_inference_steps = std::max(run, static_cast<int>(run / std::min(h.strength, 0.999)));
  pass.skipped_steps = *pass.options.num_inference_steps - run;
  return pass;
}

Tensor interpolated(const Tensor& latents, std::int64_t height, std::int64_t width) {
  const Shape shape = latents.shape();
  const std::vector<float> from = latents.to_host();
  const std::vector<Between> rows = places(shape[1], height), columns = places(shape[2], width);
  std::vector<float> to;
  to.reserve(static_cast<std::size_t>(shape[0] * height * width * shape[3]));
  for (std::int64_t n = 0; n < shape[0]; ++n)
    for (const Between& y : rows)
      for (const Between& x : columns)
        for (std::int64_t c = 0; c < shape[3]; ++c) {
          const auto value = [&](std::int64_t row, std::int64_t column) {
            return from[static_cast<std::size_t>(((n * shape[1] + row) * shape[2] + column) * shape[3] + c)];
          };
          const float above = (1 - x.share) * value(y.first, x.first) + x.share * value(y.first, x.second);
          const float below = (1 - x.share) * value(y.second, x.first) + x.share * value(y.second, x.second);
          to.push_back((1 - y.share) * above + y.share * below);
        }
  return Tensor::from_host(latents.backend(), {shape[0], height, width, shape[3]}, to.data());
}

TextToImageResult draw_hires(const Networks& net, const TextToImageOptions& options, Drawing& first, const Tensor& latents) {
  TextToImageOptions settled = options;  // the prompts as they were given, all else as the first pass has it
  settled.width = first.options().width, settled.height = first.options().height;
  settled.seed = first.result().seeds.front();
  if (!first.result().variation_seeds.empty()) settled.variation_seed = first.result().variation_seeds.front();
  const HiresPass pass = hires_pass(settled, net.checkpoint);
  TextToImageResult ignored;
  const auto scheduler = scheduler_for(pass.options, net.checkpoint, ignored);
  const int skipped = pass.skipped_steps * scheduler->order(), more = end_step(*scheduler, pass.options, net.checkpoint) - skipped;

  const Tensor small = first.denoise({.latents = latents, .steps_after = more});  // [n, h, w, 4]
  const bool by_latents = options.hires->upscaler == HiresUpscaler::latent;
  const std::vector<Image> pictures = by_latents ? std::vector<Image>() : first.decode(small);
  first.result().timings.vae_decoder = first.watch().lap();

  Drawing second(net, pass.options);
  const Shape shape = second.latent_shape();
  const Tensor clean = by_latents ? interpolated(small, shape[1], shape[2])
                                  : sample_latents(second, enlarged(pictures, pass.options.width, pass.options.height, net.backend));
  second.result().timings.vae_encoder = second.watch().lap();
  const Tensor noisy = second.scheduler().add_noise(clean, second.first_noise(), skipped);
  const int before = static_cast<int>(first.scheduler().timesteps().size());
  const Tensor large = second.denoise({.latents = noisy, .first_step = skipped, .steps_before = before});
  return joined(first.result(), second.finish(large));
}

const char* to_string(HiresUpscaler upscaler) { return upscaler == HiresUpscaler::latent ? "latent" : "lanczos"; }

}  // namespace impasto
