// Models that are told the guidance scale, as latent consistency models are (time_cond_proj_dim), against diffusers.
#include "impasto/convert.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"
#include "support/temporary_folder.h"

namespace impasto::test {
namespace {

/// tiny-sd15 with such a UNet.
class Told : public ::testing::Test {
 protected:
  Told() {
    std::filesystem::remove_all(copy_.path("unet"));
    std::filesystem::copy(IMPASTO_TEST_DATA "/told_unet", copy_.path("unet"));
    copy_.edit("model_index.json", {{"_class_name", "LatentConsistencyModelPipeline"}});
  }

  TextToImageOptions options() const {
    TextToImageOptions o;
    o.prompt = "a boat", o.seed = 3, o.num_inference_steps = 2, o.scheduler = "lcm";
    return o;
  }

  CheckpointCopy copy_{"tiny-sd15"};
};

TEST_F(Told, EqualsDiffusers) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("told")) {
    if (golden.settings().contains("strength")) {
      auto over = options_of<ImageToImageOptions>(golden);
      over.image = image_of(golden, "image"), over.strength = golden.settings().at("strength").get<double>();
      expect_result(golden, pipeline.image_to_image(over));
    } else {
      expect_result(golden, pipeline.text_to_image(options_of<TextToImageOptions>(golden)));
    }
    ++cases;
  }
  EXPECT_EQ(cases, 4);
}

TEST_F(Told, TheScaleChangesThePictureAndTheNegativePromptDoesNot) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  EXPECT_EQ(pipeline.info().defaults.guidance_scale, 8.5f) << "that of diffusers' LatentConsistencyModelPipeline";
  TextToImageOptions o = options();
  const auto usual = pipeline.text_to_image(o).latents.values;
  o.guidance_scale = 8.5f, o.negative_prompt = "grey";
  const TextToImageResult drawn = pipeline.text_to_image(o);
  EXPECT_EQ(drawn.latents.values, usual);
  ASSERT_EQ(drawn.warnings.size(), 1u);
  EXPECT_NE(drawn.warnings[0].find("negative prompt has no effect"), std::string::npos);
  o.guidance_scale = 1;
  EXPECT_NE(pipeline.text_to_image(o).latents.values, usual);
}

TEST_F(Told, FourStepsAreUsual) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  EXPECT_TRUE(pipeline.info().distilled);
  TextToImageOptions o = options();
  o.num_inference_steps.reset();
  EXPECT_EQ(pipeline.text_to_image(o).num_inference_steps, 4);
  EXPECT_EQ(inspect(test_checkpoint("tiny-sd15")).defaults.num_inference_steps, 50);
  EXPECT_FALSE(inspect(test_checkpoint("tiny-sd15")).distilled);
}

TEST_F(Told, ImageOfABatchEqualsTheImageDrawnAlone) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  TextToImageOptions o = options();
  o.num_images = 2;
  const auto both = pipeline.text_to_image(o).images;
  o.num_images = 1, o.seed = 4;
  EXPECT_EQ(pipeline.text_to_image(o).images.at(0).pixels, both.at(1).pixels);
}

TEST_F(Told, GoesThroughASingleFile) {
  const TemporaryFolder folder;
  convert(copy_.path(), folder / "one.safetensors");
  LoadOptions load;
  load.parts.config = copy_.path();
  EXPECT_EQ(Pipeline::load(folder / "one.safetensors", load).text_to_image(options()).images.at(0).pixels,
            Pipeline::load(copy_.path()).text_to_image(options()).images.at(0).pixels);
}

}  // namespace
}  // namespace impasto::test
