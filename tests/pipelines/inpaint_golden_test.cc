// Inpainting against diffusers: final latents and 8-bit pictures, with ordinary and with inpainting models.
#include "image/mask.h"
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

InpaintOptions inpaint_options(const GoldenCase& golden) {
  auto options = options_of<InpaintOptions>(golden);
  options.image = image_of(golden, "image");
  options.mask_image = image_of(golden, golden.has("mask") ? "mask" : "mask_image");
  options.strength = setting(golden, "strength", 1.0);
  options.keep_unmasked = false;
  if (golden.settings().contains("padding_mask_crop")) {
    options.inpaint_area = InpaintArea::masked;
    options.inpaint_padding = golden.settings().at("padding_mask_crop");
  }
  return options;
}

/// diffusers lays the cut out part over the picture through the mask as it is.
void lay_over(const InpaintOptions& options, std::vector<Image>& images) {
  for (Image& image : images) {
    Pixels onto(options.image);
    blend(onto, view_of(image), to_grey(view_of(options.mask_image)).view());
    image = to_image(std::move(onto));
  }
}

TEST(InpaintGolden, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("inpaint")) {
    const InpaintOptions options = inpaint_options(golden);
    TextToImageResult result = Pipeline::load(golden.checkpoint()).inpaint(options);
    if (options.inpaint_area == InpaintArea::masked) lay_over(options, result.images);
    expect_result(golden, result);
    ++cases;
  }
  EXPECT_GE(cases, 15);
}

}  // namespace
}  // namespace impasto::test
