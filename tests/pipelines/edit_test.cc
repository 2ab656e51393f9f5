// Models that edit pictures (InstructPix2Pix) against diffusers.
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

/// tiny-sd15 with a UNet that sees a picture.
class Edit : public ::testing::Test {
 protected:
  Edit() {
    std::filesystem::remove_all(copy_.path("unet"));
    std::filesystem::copy(IMPASTO_TEST_DATA "/edit_unet", copy_.path("unet"));
    copy_.edit("model_index.json", {{"_class_name", "StableDiffusionInstructPix2PixPipeline"}});
  }

  ImageToImageOptions options() const {
    ImageToImageOptions o;
    o.prompt = "in winter", o.seed = 3, o.num_inference_steps = 2;
    o.image = {64, 56, std::vector<std::uint8_t>(3 * 64 * 56, 90)};
    return o;
  }

  CheckpointCopy copy_{"tiny-sd15"};
};

TEST_F(Edit, EqualsDiffusers) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  EXPECT_TRUE(pipeline.info().editing);
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("edit")) {
    auto options = options_of<ImageToImageOptions>(golden);
    options.image = image_of(golden, "image");
    options.image_guidance_scale = setting(golden, "image_guidance_scale", options.image_guidance_scale);
    expect_result(golden, pipeline.image_to_image(options));
    ++cases;
  }
  EXPECT_EQ(cases, 4);
}

TEST_F(Edit, ImageOfABatchEqualsTheImageDrawnAlone) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  ImageToImageOptions o = options();
  o.prompt_syntax = PromptSyntax::a1111, o.negative_prompt = "a b c d e f g h i j " + std::string(400, '.');  // longer than the prompt
  o.num_images = 2;
  const auto both = pipeline.image_to_image(o).images;
  o.num_images = 1, o.seed = 4;
  EXPECT_EQ(pipeline.image_to_image(o).images.at(0).pixels, both.at(1).pixels);
  const auto before = both.at(1).pixels;
  o.image_guidance_scale = 3;
  EXPECT_NE(pipeline.image_to_image(o).images.at(0).pixels, before);
  o.image_guidance_scale = 1.5f, o.strength = 0.3;  // means nothing
  EXPECT_EQ(pipeline.image_to_image(o).images.at(0).pixels, before);
}

TEST_F(Edit, RefusesOtherTasksAndNumbersThatMeanNothing) {
  const Pipeline pipeline = Pipeline::load(copy_.path());
  EXPECT_ERROR(pipeline.text_to_image(options()), unsupported, "edits pictures", "image");
  InpaintOptions masked;
  static_cast<ImageToImageOptions&>(masked) = options();
  masked.mask_image = masked.image;
  EXPECT_ERROR(pipeline.inpaint(masked), unsupported, "edits pictures", "no mask");
  ImageToImageOptions o = options();
  for (const float scale : {-1.f, std::nanf("")}) {
    o.image_guidance_scale = scale;
    EXPECT_ERROR(pipeline.image_to_image(o), invalid_argument, "image_guidance_scale");
  }
  o = options(), o.deep_cache_interval = 2;
  EXPECT_ERROR(pipeline.image_to_image(o), unsupported, "deep_cache_interval");
}

}  // namespace
}  // namespace impasto::test
