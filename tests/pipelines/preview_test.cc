// Pictures before they are done, and variations of them.
#include <cmath>
#include <map>

#include "impasto/pipeline.h"
#include "pipelines/linear_decoder.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

class Preview : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.prompt = "a boat";
    options_.num_inference_steps = 3;
    options_.seed = 7;
    options_.height = 64, options_.width = 72;
  }
  std::vector<float> latents(const TextToImageOptions& options) const { return pipeline_.text_to_image(options).latents.values; }
  /// Of the last step, by scheduler.
  std::vector<Image> last(const std::string& scheduler, PreviewMethod method) {
    std::vector<Image> images;
    options_.scheduler = scheduler;
    options_.on_step = [&](const StepInfo& info) {
      if (info.step + 1 == info.num_steps) images = info.preview(method);
      return StepAction::proceed;
    };
    final_ = pipeline_.text_to_image(options_);
    return images;
  }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options_;
  TextToImageResult final_;
};

TEST_F(Preview, OfTheLastStepByTheDecoderIsThePicture) {
  options_.num_images = 2;
  // These end at the clean latents that the network predicts last.
  for (const char* scheduler : {"euler", "euler_a", "lms", "lcm"}) {
    const std::vector<Image> images = last(scheduler, PreviewMethod::vae);
    ASSERT_EQ(images.size(), 2u);
    int most = 0;
    for (std::size_t k = 0; k < 2; ++k)
      for (std::size_t i = 0; i < images[k].pixels.size(); ++i) most = std::max(most, std::abs(images[k].pixels[i] - final_.images[k].pixels[i]));
    EXPECT_LE(most, 1) << scheduler;
  }
}

TEST_F(Preview, ByATaesdIsWhatThatDecodes) {
  const std::string tiny = IMPASTO_TEST_DATA "/tiny_vae";
  const Pipeline plain = pipeline_;
  pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"), {.parts = {.vae = tiny}});
  last("euler", PreviewMethod::vae);
  const Image expected = final_.images.at(0);
  pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"), {.parts = {.preview_vae = tiny}});
  const Image preview = last("euler", PreviewMethod::tiny).at(0);
  int most = 0;
  for (std::size_t i = 0; i < preview.pixels.size(); ++i) most = std::max(most, std::abs(preview.pixels[i] - expected.pixels.at(i)));
  EXPECT_LE(most, 1);
  EXPECT_NE(final_.images.at(0).pixels, expected.pixels);
  const TextToImageResult with = final_;
  pipeline_ = plain;
  EXPECT_ERROR(last("euler", PreviewMethod::tiny), invalid_argument, "TAESD", "--taesd");
  options_.on_step = {};
  EXPECT_EQ(pipeline_.text_to_image(options_).images.at(0).pixels, with.images.at(0).pixels);
  const auto load = [](const std::string& path) { Pipeline::load(test_checkpoint("tiny-sd15"), {.parts = {.preview_vae = path}}); };
  EXPECT_ERROR(load(test_checkpoint("tiny-sd15") + "/vae"), unsupported, "AutoencoderKL", "TAESD");
  EXPECT_ERROR(load("/no/such/file"), not_found, "/no/such/file");
}

TEST_F(Preview, HasThePicturesSizeAndChangesNothing) {
  const auto plain = latents(options_);
  for (const PreviewMethod method : {PreviewMethod::linear, PreviewMethod::vae}) {
    for (const Image& image : last("", method)) {
      EXPECT_EQ(image.width, 72);
      EXPECT_EQ(image.height, 64);
      EXPECT_EQ(image.pixels.size(), 3u * 72 * 64);
    }
    EXPECT_EQ(final_.latents.values, plain);
  }
}

TEST(LinearDecoder, ComesNearTheDecoderOfARealModel) {
  // Of the project's own model, whose latents mean colours.
  const std::string vae = std::string(IMPASTO_SOURCE_DIR) + "/models/sketchbook/vae";
  Backend& backend = backend_for("cpu");
  const JsonObject json{read_json(vae + "/config.json"), vae};
  const VaeConfig config = VaeConfig::parse(json);
  const VaeDecoder decoder(config, open_weights(vae, "diffusion_pytorch_model"), backend);
  const LinearDecoder linear(decoder, config, backend);
  // Smooth latents: few waves.
  const std::int64_t side = 16;
  std::vector<float> values;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      for (std::int64_t c = 0; c < config.latent_channels; ++c)
        values.push_back(static_cast<float>(std::sin(0.4 * static_cast<double>(x + 2 * c)) + std::cos(0.3 * static_cast<double>(y - c))));
  const Tensor latents = Tensor::from_host(backend, {1, side, side, config.latent_channels}, values.data());
  for (float& v : values) v /= static_cast<float>(config.scaling_factor);
  const std::vector<float> pixels = decoder.forward(Tensor::from_host(backend, latents.shape(), values.data())).to_host();
  const Image quick = linear.decode(latents);
  ASSERT_EQ(quick.width, side);
  // Share of the picture's variance that the quick one explains.
  const std::int64_t scale = config.scale();
  double error = 0, variance = 0, mean = 0;
  std::vector<double> exact(quick.pixels.size());
  for (std::int64_t y = 0; y < side * scale; ++y)
    for (std::int64_t x = 0; x < side * scale; ++x)
      for (std::int64_t c = 0; c < 3; ++c)
        exact[static_cast<std::size_t>((y / scale * side + x / scale) * 3 + c)] +=
            std::clamp<double>(pixels[static_cast<std::size_t>((y * side * scale + x) * 3 + c)] / 2 + 0.5, 0, 1) * 255 /
            static_cast<double>(scale * scale);
  for (const double value : exact) mean += value / static_cast<double>(exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    error += std::pow(exact[i] - quick.pixels[i], 2);
    variance += std::pow(exact[i] - mean, 2);
  }
  RecordProperty("explained", std::to_string(1 - error / variance));
  EXPECT_GT(1 - error / variance, 0.6);
}

class Variations : public Preview {};

TEST_F(Variations, LeadFromOneSeedTowardsOthers) {
  options_.scheduler = "euler_a";
  const auto original = latents(options_);
  options_.variation_seed = 40;
  EXPECT_EQ(latents(options_), original) << "no strength, no variation";
  options_.variation_strength = 0.2f;
  options_.num_images = 3;
  const TextToImageResult several = pipeline_.text_to_image(options_);
  EXPECT_EQ(several.seeds, (std::vector<std::uint64_t>{7, 7, 7}));
  EXPECT_EQ(several.variation_seeds, (std::vector<std::uint64_t>{40, 41, 42}));
  options_.num_images = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    options_.variation_seed = 40 + k;
    EXPECT_EQ(pipeline_.text_to_image(options_).images[0].pixels, several.images[k].pixels) << "picture " << k << " drawn alone";
  }
  const auto distance = [&](float strength) {
    options_.variation_strength = strength;
    const auto varied = latents(options_);
    double sum = 0;
    for (std::size_t i = 0; i < varied.size(); ++i) sum += std::pow(varied[i] - original[i], 2);
    return sum;
  };
  EXPECT_LT(distance(0.05f), distance(0.3f));
  EXPECT_LT(distance(0.3f), distance(1));
}

TEST_F(Variations, RefuseStrengthsOutOfRangeAndGivenLatents) {
  options_.variation_strength = 1.5f;
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "variation_strength");
  options_.variation_strength = 0.5f;
  options_.latents = HostTensor{{1, 4, 8, 9}, std::vector<float>(288)};
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "latents", "variation_strength");
}

}  // namespace
}  // namespace impasto::test
