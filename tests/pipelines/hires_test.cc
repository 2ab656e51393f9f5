// Two passes against diffusers' and torch's parts put together, and against picture to picture.
#include "pipelines/hires.h"

#include "backend/registry.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

class HiresFix : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.prompt = "a boat";
    options_.num_inference_steps = 3;
    options_.seed = 7;
    options_.scheduler = "euler_a";  // draws noise at every step
    options_.height = 64, options_.width = 72;
    options_.hires = Hires{.scale = 1.5, .strength = 0.5};
  }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options_;
};

TEST(HiresGolden, EqualsDiffusersAndTorchsInterpolation) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("hires")) {
    auto options = options_of<TextToImageOptions>(golden);
    const Json& h = golden.settings().at("hires");
    options.hires = Hires{.scale = h.at("scale"), .num_inference_steps = h.at("steps"), .strength = h.at("strength")};
    expect_result(golden, Pipeline::load(golden.checkpoint()).text_to_image(options));
    ++cases;
  }
  EXPECT_EQ(cases, 3);
}

TEST_F(HiresFix, ByLanczosIsPictureToPictureOfTheEnlargedPicture) {
  options_.hires = Hires{.scale = 1.5, .upscaler = HiresUpscaler::lanczos, .num_inference_steps = 2, .strength = 0.5};
  options_.num_images = 2;
  const TextToImageResult both = pipeline_.text_to_image(options_);
  options_.hires.reset();
  const TextToImageResult small = pipeline_.text_to_image(options_);
  for (std::size_t k = 0; k < 2; ++k) {
    ImageToImageOptions second{options_};
    second.image = resize(small.images[k], 108 / 8 * 8, 96);
    second.seed = 7 + k, second.num_images = 1, second.num_inference_steps = 4, second.strength = 0.5;
    second.width = second.height = 0;
    EXPECT_EQ(pipeline_.image_to_image(second).images.at(0).pixels, both.images[k].pixels) << k;
  }
}

TEST_F(HiresFix, HasTheLargerSizeAndTellsTheFirstPasss) {
  const TextToImageResult result = pipeline_.text_to_image(options_);
  EXPECT_EQ(std::pair(result.images.at(0).width, result.images.at(0).height), std::pair(104, 96));  // 108 lies off the grid
  EXPECT_EQ(std::pair(result.width, result.height), std::pair(72, 64));
  EXPECT_EQ(result.latents.shape, (std::vector<std::int64_t>{1, 4, 12, 13}));
  EXPECT_EQ(result.timings.steps.size(), 6u);
  EXPECT_EQ(result.seeds, std::vector<std::uint64_t>{7});
}

TEST_F(HiresFix, ImageOfABatchEqualsTheImageDrawnAlone) {
  for (const HiresUpscaler upscaler : {HiresUpscaler::latent, HiresUpscaler::lanczos}) {
    options_.hires->upscaler = upscaler;
    options_.num_images = 3, options_.seed = 7;
    const auto all = pipeline_.text_to_image(options_).images;
    options_.num_images = 1, options_.seed = 9;
    EXPECT_EQ(pipeline_.text_to_image(options_).images.at(0).pixels, all.at(2).pixels) << to_string(upscaler);
  }
}

TEST_F(HiresFix, CountsTheStepsOfBothPasses) {
  options_.hires->num_inference_steps = 2;
  for (const char* scheduler : {"euler", "heun", "ddim"}) {
    int calls = 0, told = 0;
    options_.scheduler = scheduler;
    options_.on_step = [&](const StepInfo& info) {
      EXPECT_EQ(info.step, calls++) << scheduler;
      told = info.num_steps;
      return StepAction::proceed;
    };
    pipeline_.text_to_image(options_);
    EXPECT_EQ(calls, told) << scheduler;
    if (std::string(scheduler) != "heun") {
      EXPECT_EQ(calls, 5) << scheduler;
    }
  }
}

TEST_F(HiresFix, TakesSeveralPromptsVariationsAndLowMemory) {
  options_.prompt.clear(), options_.prompts = {"a boat", "a red house"};
  options_.variation_strength = 0.3f, options_.variation_seed = 5;
  const auto both = pipeline_.text_to_image(options_).images;
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(Pipeline::load(test_checkpoint("tiny-sd15"), {.low_memory = true}).text_to_image(options_).images[1].pixels, both[1].pixels);
  options_.prompts = {"a boat"};
  EXPECT_EQ(pipeline_.text_to_image(options_).images[0].pixels, both[0].pixels);
}

TEST_F(HiresFix, RefusesWhatCannotBeBeforeItDraws) {
  const auto draw = [&](const Hires& hires) {
    options_.hires = hires;
    options_.on_step = [](const StepInfo&) -> StepAction { throw std::runtime_error("it has begun"); };
    check_options(options_, pipeline_.info());
    pipeline_.text_to_image(options_);
  };
  for (const double scale : {0.9, 8.1, std::nan(""), -1.0}) EXPECT_ERROR(draw({.scale = scale}), invalid_argument, "hires.scale");
  for (const double strength : {0.0, 1.1, std::nan("")}) EXPECT_ERROR(draw({.strength = strength}), invalid_argument, "hires.strength");
  EXPECT_ERROR(draw({.num_inference_steps = -1}), invalid_argument, "hires.num_inference_steps");
  options_.width = 16384;
  EXPECT_ERROR(draw({}), invalid_argument, "width of the second pass", "32768");
  options_.width = 64;
  EXPECT_ERROR(draw({.num_inference_steps = 600, .strength = 0.5}), invalid_argument, "600 steps at strength 0.5", "1200");
  ImageToImageOptions picture{options_};
  picture.image = {64, 64, std::vector<std::uint8_t>(3 * 64 * 64)};
  EXPECT_ERROR(pipeline_.image_to_image(picture), invalid_argument, "hires", "text to picture");
}

TEST(Interpolated, KeepsConstantsAndLines) {
  Backend& backend = backend_for("cpu");
  const std::vector<float> line{0, 4, 8};
  const Tensor wide = interpolated(Tensor::from_host(backend, {1, 1, 3, 1}, line.data()), 2, 6);
  const std::vector<float> row{0, 1, 3, 5, 7, 8};  // torch's interpolate(mode="bilinear")
  std::vector<float> both = row;
  both.insert(both.end(), row.begin(), row.end());
  EXPECT_EQ(wide.to_host(), both);
}

}  // namespace
}  // namespace impasto::test
