#include <limits>
#include <thread>

#include "impasto/pipeline.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

Image gradient(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (const int value : {x * 255 / width, y * 255 / height, 128}) image.pixels.push_back(static_cast<std::uint8_t>(value));
  return image;
}

class ImageToImage : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.prompt = "a boat at sunset";
    options_.num_inference_steps = 4;
    options_.strength = 0.5;
    options_.seed = 7;
    options_.scheduler = "EulerAncestralDiscreteScheduler";  // draws noise at every step
    options_.image = gradient(45, 38);
  }

  std::pair<int, int> size_for(int width, int height) {
    options_.width = width;
    options_.height = height;
    const TextToImageResult result = pipeline_.image_to_image(options_);
    EXPECT_EQ(std::pair(result.width, result.height), std::pair(result.images.at(0).width, result.images.at(0).height));
    return {result.width, result.height};
  }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  ImageToImageOptions options_;
};

TEST_F(ImageToImage, TakesThePicturesSizeRoundedDownUnlessToldAnother) {
  EXPECT_EQ(size_for(0, 0), std::pair(40, 32));
  EXPECT_EQ(size_for(64, 32), std::pair(64, 32));
  EXPECT_EQ(size_for(90 / 8 * 8, 0), std::pair(88, 72));  // 88 * 38 / 45 = 74.3
  EXPECT_EQ(size_for(0, 16), std::pair(16, 16));          // 16 * 45 / 38 = 18.9
}

TEST_F(ImageToImage, RunsTheShareOfStepsThatStrengthSays) {
  const auto steps = [&](double strength, const char* scheduler) {
    options_.num_inference_steps = 10;
    options_.strength = strength;
    options_.scheduler = scheduler;
    int told = 0, calls = 0;
    options_.on_step = [&](const StepInfo& info) {
      EXPECT_EQ(info.step, calls++);
      told = info.num_steps;
      return StepAction::proceed;
    };
    const TextToImageResult result = pipeline_.image_to_image(options_);
    EXPECT_EQ(result.timings.steps.size(), static_cast<std::size_t>(calls));
    EXPECT_EQ(told, calls);
    return calls;
  };
  EXPECT_EQ(steps(0.7, "euler"), 7);  // a float's 0.7 would make 6.99 of it
  EXPECT_EQ(steps(0.29, "euler"), 2);
  EXPECT_EQ(steps(1, "euler"), 10);
  EXPECT_EQ(steps(0.5, "heun"), 9);  // two calls a step, one in the last
  options_.timesteps = {900, 700, 500, 300, 100, 20};
  EXPECT_EQ(steps(0.5, "euler"), 3);
}

TEST_F(ImageToImage, LowStrengthStaysNearThePictureAndHighStrengthDoesNot) {
  options_.num_inference_steps = 10;
  options_.scheduler = "ddim";
  options_.decode = false;
  const auto latents = [&](double strength) {
    options_.strength = strength;
    return pipeline_.image_to_image(options_).latents.values;
  };
  const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    return sum;
  };
  const auto least = latents(0.1), some = latents(0.3), most = latents(1);
  EXPECT_LT(distance(least, some), distance(least, most));
}

TEST_F(ImageToImage, ImageOfABatchEqualsTheImageDrawnAloneFromItsSeed) {
  options_.num_images = 3;
  const TextToImageResult batch = pipeline_.image_to_image(options_);
  options_.num_images = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    options_.seed = batch.seeds[k];
    EXPECT_EQ(pipeline_.image_to_image(options_).images[0].pixels, batch.images[k].pixels) << "image " << k;
  }
}

TEST_F(ImageToImage, ServesSeveralThreadsAtOnceFromTheStart) {
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> callers;  // all of them find the encoder not yet built
  for (auto& result : results) callers.emplace_back([&] { result = pipeline_.image_to_image(options_).latents.values; });
  for (std::thread& caller : callers) caller.join();
  for (const auto& result : results) EXPECT_EQ(result, pipeline_.image_to_image(options_).latents.values);
}

TEST_F(ImageToImage, RefusesOptionsOutOfRangeByName) {
  const auto refused = [&](auto change, const std::string& name) {
    ImageToImageOptions o = options_;
    change(o);
    EXPECT_ERROR(pipeline_.image_to_image(o), invalid_argument, name);
  };
  for (const double strength : {0.0, -0.1, 1.01, std::numeric_limits<double>::quiet_NaN()})
    refused([&](auto& o) { o.strength = strength; }, "strength");
  refused([](auto& o) { o.strength = 0.2; }, "less than one step");
  refused([](auto& o) { o.num_inference_steps = -1; }, "num_inference_steps");
  refused([](auto& o) { o.image = {}; }, "image is 0 x 0");
  refused([](auto& o) { o.image.pixels.pop_back(); }, "3 bytes");
  refused([](auto& o) { o.image = gradient(5, 40); }, "give width and height");
  refused([](auto& o) { o.width = 12; }, "width");
  refused([](auto& o) { o.image = gradient(16384, 1), o.height = 64; }, "width");
}

TEST_F(ImageToImage, AnInpaintingModelSaysWhatItNeeds) {
  const Pipeline inpainting = Pipeline::load(test_checkpoint("tiny-inpaint"));
  EXPECT_TRUE(inpainting.info().inpainting);
  EXPECT_FALSE(pipeline_.info().inpainting);
  EXPECT_ERROR(inpainting.image_to_image(options_), unsupported, "tiny-inpaint", "mask_image");
  EXPECT_ERROR(inpainting.text_to_image(options_), unsupported, "tiny-inpaint", "mask_image");
}

}  // namespace
}  // namespace impasto::test
