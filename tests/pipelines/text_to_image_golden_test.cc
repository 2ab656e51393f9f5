// Whole pipelines against diffusers: prompt to final latents and to 8-bit pictures.
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

class TextToImageGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(TextToImageGolden, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("text_to_image")) {
    const TextToImageResult result =
        Pipeline::load(golden.checkpoint(), {.device = GetParam()}).text_to_image(options_of<TextToImageOptions>(golden));
    expect_result(golden, result);
    ++cases;
  }
  EXPECT_GE(cases, 10);
}

INSTANTIATE_TEST_SUITE_P(Devices, TextToImageGolden, ::testing::Values("cpu"), [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace impasto::test
