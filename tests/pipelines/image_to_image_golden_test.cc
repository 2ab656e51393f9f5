// Picture to picture against diffusers: final latents and 8-bit pictures.
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

TEST(ImageToImageGolden, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("image_to_image")) {
    auto options = options_of<ImageToImageOptions>(golden);
    options.image = image_of(golden, "image");
    options.strength = setting(golden, "strength", 0.8);
    expect_result(golden, Pipeline::load(golden.checkpoint()).image_to_image(options));
    ++cases;
  }
  EXPECT_GE(cases, 15);
}

}  // namespace
}  // namespace impasto::test
