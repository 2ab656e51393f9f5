// Whole pipelines against diffusers: prompt to final latents and to 8-bit pictures.
#include <algorithm>
#include <cmath>

#include "impasto/pipeline.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

template <typename T>
T setting(const GoldenCase& golden, const char* key, T fallback) {
  const Json& s = golden.settings();
  return s.contains(key) && !s.at(key).is_null() ? s.at(key).get<T>() : fallback;
}

TextToImageOptions options_of(const GoldenCase& golden) {
  TextToImageOptions o;
  o.prompt = setting<std::string>(golden, "prompt", "");
  o.negative_prompt = setting<std::string>(golden, "negative_prompt", "");
  o.num_inference_steps = setting(golden, "num_inference_steps", o.num_inference_steps);
  o.guidance_scale = setting(golden, "guidance_scale", o.guidance_scale);
  o.guidance_rescale = setting(golden, "guidance_rescale", o.guidance_rescale);
  o.eta = setting(golden, "eta", o.eta);
  o.height = setting(golden, "height", 0);
  o.width = setting(golden, "width", 0);
  o.num_images = setting(golden, "num_images_per_prompt", 1);
  o.clip_skip = setting(golden, "clip_skip", 0);
  o.seed = golden.settings().at("seed").get<std::uint64_t>();
  o.shared_generator = true;  // the cases were made with one generator
  const Json& scheduler = golden.settings().at("scheduler");
  o.scheduler = scheduler.at("_class_name");
  if (scheduler.contains("use_karras_sigmas")) o.use_karras_sigmas = scheduler.at("use_karras_sigmas").get<bool>();
  return o;
}

/// Share of values that differ by at most 1.
double close_share(const std::vector<std::uint8_t>& expected, const std::vector<Image>& images) {
  std::size_t close = 0, i = 0;
  for (const Image& image : images)
    for (const std::uint8_t value : image.pixels) close += std::abs(value - expected.at(i++)) <= 1;
  return static_cast<double>(close) / static_cast<double>(expected.size());
}

class TextToImageGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(TextToImageGolden, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("text_to_image")) {
    const TextToImageResult result = Pipeline::load(golden.checkpoint(), {.device = GetParam()}).text_to_image(options_of(golden));
    const std::vector<float>& latents = result.latents.values;
    EXPECT_TRUE(golden.matches("latents", latents.data(), static_cast<std::int64_t>(latents.size())));
    EXPECT_GE(close_share(golden.bytes("picture"), result.images), 0.999) << golden.name();
    ++cases;
  }
  EXPECT_GE(cases, 10);
}

INSTANTIATE_TEST_SUITE_P(Devices, TextToImageGolden, ::testing::Values("cpu"), [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace impasto::test
