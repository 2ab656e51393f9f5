// Adapters, words and ControlNets of Stable Diffusion XL against diffusers.
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

const std::string kAdapters = IMPASTO_TEST_DATA "/adapters/";

/// Adapters of a case, with one scale for all networks or one for each.
std::vector<Lora> loras_of(const GoldenCase& golden) {
  std::vector<Lora> loras;
  for (const Json& use : golden.settings().at("loras")) {
    const Json& scale = use[1];
    Lora lora{kAdapters + use[0].get<std::string>() + ".safetensors"};
    if (scale.is_number())
      lora.scale = scale;
    else
      lora.scale = scale.at("unet"), lora.text_encoder_scale = scale.at("text_encoder"), lora.text_encoder_2_scale = scale.at("text_encoder_2");
    loras.push_back(lora);
  }
  return loras;
}

TEST(XlAdapters, LorasOfBothTextEncodersAndTheUNetEqualDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_adapters")) {
    if (!golden.settings().contains("loras")) continue;
    const Pipeline pipeline = Pipeline::load(golden.checkpoint()).with_loras(loras_of(golden));
    EXPECT_TRUE(pipeline.warnings().empty()) << golden.name();
    expect_result(golden, pipeline.text_to_image(options_of<TextToImageOptions>(golden)));
    ++cases;
  }
  EXPECT_EQ(cases, 5);
}

TEST(XlAdapters, WordsOfBothTextEncodersEqualDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_adapters")) {
    if (!golden.settings().contains("words")) continue;
    auto options = options_of<TextToImageOptions>(golden);
    for (const Json& word : golden.settings().at("words"))
      options.embeddings.push_back(read_embedding(IMPASTO_TEST_DATA "/embeddings/" + word.get<std::string>() + ".safetensors"));
    expect_result(golden, Pipeline::load(golden.checkpoint()).text_to_image(options));
    ++cases;
  }
  EXPECT_EQ(cases, 1);
}

TEST(XlAdapters, ControlNetsEqualDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("xl_adapters")) {
    if (!golden.settings().contains("controls")) continue;
    const Pipeline pipeline = Pipeline::load(golden.checkpoint()).with_controlnets({kAdapters + "xl_controlnet"});
    auto options = options_of<ImageToImageOptions>(golden);
    for (const Json& c : golden.settings().at("controls"))
      options.controls.push_back({image_of(golden, "control_0"), c.at("scale"), c.at("start"), c.at("stop"), c.at("guess_mode")});
    if (golden.has("image")) {
      options.image = image_of(golden, "image"), options.strength = golden.settings().at("strength").get<double>();
      options.negative_micro_conditions.crops_coords_top_left = PicturePoint{};
      expect_result(golden, pipeline.image_to_image(options));
    } else {
      expect_result(golden, pipeline.text_to_image(options));
    }
    ++cases;
  }
  EXPECT_EQ(cases, 5);
}

}  // namespace
}  // namespace impasto::test
