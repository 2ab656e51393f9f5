// Stable Diffusion XL against diffusers: final latents, and 8-bit pictures of some.
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

TEST(XlGolden, TextToImageEqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_text_to_image")) {
    auto options = options_of<TextToImageOptions>(golden);
    if (golden.settings().contains("denoising_end")) options.denoising_end = golden.settings().at("denoising_end").get<double>();
    expect_result(golden, Pipeline::load(golden.checkpoint()).text_to_image(options));
    ++cases;
  }
  EXPECT_GE(cases, 15);
}

TEST(XlGolden, ImageToImageOfBaseAndRefinerEqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_image_to_image")) {
    auto options = options_of<ImageToImageOptions>(golden);
    options.strength = setting(golden, "strength", 0.3);  // that class's default
    for (auto [key, field] : {std::pair{"denoising_start", &options.denoising_start}, std::pair{"denoising_end", &options.denoising_end}})
      if (golden.settings().contains(key)) *field = golden.settings().at(key).get<double>();
    if (golden.has("image")) {
      options.image = image_of(golden, "image");
    } else {
      const Shape shape = golden.shape("image_latents");
      options.image_latents = HostTensor{{shape.begin(), shape.end()}, golden.floats("image_latents")};
    }
    // diffusers tells the negative prompt's side of picture to picture that nothing was cut off, unless told otherwise.
    if (!options.negative_micro_conditions.crops_coords_top_left) options.negative_micro_conditions.crops_coords_top_left = PicturePoint{};
    expect_result(golden, Pipeline::load(golden.checkpoint()).image_to_image(options));
    ++cases;
  }
  EXPECT_GE(cases, 11);
}

TEST(XlGolden, InpaintEqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_inpaint")) {
    auto options = options_of<InpaintOptions>(golden);
    options.image = image_of(golden, "image"), options.mask_image = image_of(golden, "mask_image");
    options.strength = golden.settings().at("strength").get<double>();
    options.keep_unmasked = false;
    expect_result(golden, Pipeline::load(golden.checkpoint()).inpaint(options));
    ++cases;
  }
  EXPECT_GE(cases, 3);
}

}  // namespace
}  // namespace impasto::test
