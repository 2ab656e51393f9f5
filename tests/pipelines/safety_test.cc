// What becomes of pictures that the safety checker flags.
#include "pipelines/safety.h"

#include <filesystem>

#include "impasto/components.h"
#include "pipelines/clip_pixels.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {
namespace fs = std::filesystem;

const std::string kChecker = IMPASTO_TEST_DATA "/safety_checker";

TextToImageOptions small(SafetyPolicy policy) {
  TextToImageOptions options;
  options.prompt = "a red boat";
  options.width = options.height = 64;
  options.num_inference_steps = 2;
  options.num_images = 2;
  options.seed = 3;
  options.safety = policy;
  return options;
}

Pipeline with_checker() {
  LoadOptions load;
  load.parts.safety_checker = kChecker;
  return Pipeline::load(test_checkpoint("tiny-sd15"), load);
}

TEST(ClipPixels, AreTransformers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("safety")) {
    const Shape shape = golden.shape("image");  // [h, w, 3]
    const std::vector<float> pixels = clip_pixels({static_cast<int>(shape[1]), static_cast<int>(shape[0]), golden.bytes("image")}, 28);
    EXPECT_TRUE(golden.matches("pixels", pixels.data(), static_cast<std::int64_t>(pixels.size())));
    ++cases;
  }
  EXPECT_EQ(cases, 5);
}

class Safety : public ::testing::Test {
 protected:
  /// The golden pictures as a result of as many images: the first is fine, the others are not.
  static TextToImageResult result() {
    TextToImageResult r;
    for (const GoldenCase& golden : golden_cases("safety")) {
      const Shape shape = golden.shape("image");
      r.images.push_back({static_cast<int>(shape[1]), static_cast<int>(shape[0]), golden.bytes("image")});
      r.seeds.push_back(r.seeds.size());
    }
    r.latents = {{1}, {2.0f}};
    return r;
  }
  static TextToImageResult treated(SafetyPolicy policy) {
    LoadOptions load;
    load.parts.safety_checker = kChecker;
    const Networks networks = load_networks(test_checkpoint("tiny-sd15"), load, placement(load));
    return made_safe(networks, policy, result());
  }
};

TEST_F(Safety, OffLooksAtNothing) {
  const TextToImageResult r = treated(SafetyPolicy::off);
  EXPECT_TRUE(r.flagged.empty());
  EXPECT_TRUE(r.warnings.empty());
}

TEST_F(Safety, FlagTellsAndChangesNothing) {
  const TextToImageResult r = treated(SafetyPolicy::flag), before = result();
  EXPECT_EQ(r.flagged, (std::vector<bool>{false, true, true, true, true}));
  for (std::size_t i = 0; i < r.images.size(); ++i) EXPECT_EQ(r.images[i].pixels, before.images[i].pixels) << i;
  EXPECT_EQ(r.latents.values, before.latents.values);
  ASSERT_EQ(r.warnings.size(), 4u);
  EXPECT_EQ(r.warnings[0], "picture 2 of 5 (seed 1) was flagged by the model's safety checker");
}

TEST_F(Safety, BlackMakesWhatIsFlaggedBlackAndKeepsTheRest) {
  const TextToImageResult r = treated(SafetyPolicy::black), before = result();
  EXPECT_EQ(r.images[0].pixels, before.images[0].pixels);
  for (std::size_t i = 1; i < r.images.size(); ++i) EXPECT_EQ(r.images[i].pixels, std::vector<std::uint8_t>(before.images[i].pixels.size())) << i;
  EXPECT_TRUE(r.latents.values.empty()) << "they would give the picture away";
}

TEST_F(Safety, BlurLeavesFewBlotches) {
  const TextToImageResult r = treated(SafetyPolicy::blur), before = result();
  EXPECT_EQ(r.images[0].pixels, before.images[0].pixels);
  const auto roughness = [](const Image& image) {  // between neighbours in a row
    double sum = 0;
    for (std::size_t i = 3; i < image.pixels.size(); ++i) sum += std::abs(image.pixels[i] - image.pixels[i - 3]);
    return sum / static_cast<double>(image.pixels.size());
  };
  for (const std::size_t i : {1, 3, 4}) {  // larger than the blotches
    EXPECT_EQ(r.images[i].width, before.images[i].width);
    EXPECT_EQ(r.images[i].height, before.images[i].height);
    EXPECT_LT(roughness(r.images[i]), 0.7 * roughness(before.images[i])) << i;
  }
  EXPECT_TRUE(r.latents.values.empty());
}

TEST(SafetyPolicy, IsFollowedByEveryTask) {
  const Pipeline pipeline = with_checker();
  EXPECT_TRUE(pipeline.info().safety_checker);
  EXPECT_EQ(pipeline.text_to_image(small(SafetyPolicy::flag)).flagged.size(), 2u);
  InpaintOptions o;
  static_cast<TextToImageOptions&>(o) = small(SafetyPolicy::flag);
  o.image = {64, 64, std::vector<std::uint8_t>(3 * 64 * 64, 90)};
  o.mask_image = {64, 64, std::vector<std::uint8_t>(3 * 64 * 64, 255)};
  EXPECT_EQ(pipeline.image_to_image(o).flagged.size(), 2u);
  EXPECT_EQ(pipeline.inpaint(o).flagged.size(), 2u);
  EXPECT_TRUE(pipeline.text_to_image(small(SafetyPolicy::off)).flagged.empty());
}

TEST(SafetyModel, FlagsWhatThePipelineDoes) {
  const SafetyModel model = SafetyModel::load(kChecker);
  std::vector<bool> flagged;
  for (const GoldenCase& golden : golden_cases("safety")) {
    const Shape shape = golden.shape("image");
    const HostTensor input = model.clip_input({static_cast<int>(shape[1]), static_cast<int>(shape[0]), golden.bytes("image")});
    EXPECT_EQ(input.shape, (std::vector<std::int64_t>{1, 3, 28, 28}));
    flagged.push_back(model.flags({input.shape, input.values.data()}).at(0));
  }
  EXPECT_EQ(flagged, (std::vector<bool>{false, true, true, true, true}));
  const std::vector<float> wrong(2 * 3 * 10 * 10);
  EXPECT_ERROR(model.flags({{2, 3, 10, 10}, wrong.data()}), invalid_argument, "clip_input", "28");
  EXPECT_ERROR(SafetyModel::load(test_checkpoint("tiny-sd15") + "/unet"), unsupported, "UNet2DConditionModel");
}

TEST(SafetyPolicy, NeedsAChecker) {
  const std::string model = test_checkpoint("tiny-sd15");
  EXPECT_ERROR(Pipeline::load(model).text_to_image(small(SafetyPolicy::black)), invalid_argument, "no safety checker", "--safety-checker");
  EXPECT_ERROR(check_options(small(SafetyPolicy::flag), inspect(model)), invalid_argument, "no safety checker");
  EXPECT_FALSE(inspect(model).safety_checker);
  LoadOptions load;
  load.parts.safety_checker = model;
  EXPECT_ERROR(Pipeline::load(model, load), not_found, "safety_checker");
  load.parts.safety_checker = kChecker + "/model.safetensors";
  EXPECT_ERROR(Pipeline::load(model, load), bad_file, "model.safetensors: is a file", "folder");
}

class SafetyOfAFolder : public ::testing::Test {
 protected:
  SafetyOfAFolder() { model_.edit("model_index.json", {{"safety_checker", {"stable_diffusion", "StableDiffusionSafetyChecker"}}}); }
  CheckpointCopy model_{"tiny-sd15"};
};

TEST_F(SafetyOfAFolder, IsFoundWhereTheModelHasIt) {
  fs::copy(kChecker, model_.path("safety_checker"));
  const Pipeline pipeline = Pipeline::load(model_.path());
  EXPECT_EQ(pipeline.text_to_image(small(SafetyPolicy::flag)).flagged.size(), 2u);
  const auto warnings = pipeline.text_to_image(small(SafetyPolicy::off)).warnings;
  EXPECT_EQ(warnings, std::vector<std::string>{"the model's safety checker was not run"});
}

TEST_F(SafetyOfAFolder, IsMissedOnlyWhenItIsWanted) {
  const Pipeline pipeline = Pipeline::load(model_.path());
  EXPECT_EQ(pipeline.text_to_image(small(SafetyPolicy::off)).images.size(), 2u);
  EXPECT_ERROR(pipeline.text_to_image(small(SafetyPolicy::black)), invalid_argument, "not downloaded", "--safety-checker");
}

}  // namespace
}  // namespace impasto::test
