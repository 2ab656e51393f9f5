#include "pipelines/guided_unet.h"

#include "ops/ops.h"
#include "pipelines/controllers.h"
#include "pipelines/guidance.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

class Guided : public ::testing::Test {
 protected:
  Tensor noise(const Shape& shape, float seed) const {
    std::vector<float> values(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(seed + 0.37f * static_cast<float>(i * i % 1009));
    return Tensor::from_host(backend_, shape, values.data());
  }
  UNetContext context(int chunks, float seed) const { return {noise({1, 77 * chunks, unet_->config().context_channels}, seed)}; }
  std::shared_ptr<const EncodedPrompt> text(int chunks, float seed) const {
    return std::make_shared<EncodedPrompt>(EncodedPrompt{{context(chunks, seed)}, {}});
  }
  Tensor unguided(const Tensor& sample, const UNetContext& context) const { return unet_->forward(sample, kTimestep, unet_->condition(context)); }
  /// Each image by itself, each of its texts by itself.
  std::vector<float> one_by_one(const Tensor& samples, const std::vector<ImageTexts>& texts, float scale) const {
    std::vector<float> all;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Tensor sample = samples.slice(static_cast<std::int64_t>(i), 1);
      const Tensor positive = unguided(sample, texts[i].prompt->contexts[0]);
      const Tensor one =
          scale > 1 ? guide(ops::concat_images(unguided(sample, texts[i].negative_prompt->contexts[0]), positive), scale, 0) : positive;
      const std::vector<float> values = one.to_host();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  std::vector<float> together(const Tensor& samples, const std::vector<ImageTexts>& texts, float scale) const {
    TextToImageOptions options;
    options.guidance_scale = scale;
    return GuidedUNet(unet_, texts, options).predict(samples, kTimestep, 0, 1).to_host();
  }

  static constexpr double kTimestep = 500;
  Backend& backend_ = backend_for("cpu");
  const std::string checkpoint_ = test_checkpoint("tiny-sd15");
  const std::shared_ptr<const UNet> unet_ =
      std::make_shared<const UNet>(UNetConfig::parse(component_config(checkpoint_, "unet")), component_weights(checkpoint_, "unet"), backend_);
};

TEST_F(Guided, TextsOfAnyLengthLeadTheirOwnImageAlone) {
  const std::vector<ImageTexts> texts = {
      {text(1, 1), text(1, 2)}, {text(3, 3), text(1, 4)}, {text(1, 5), text(2, 6)}, {text(1, 7), text(1, 8)}, {text(2, 9), text(2, 10)}};
  const Tensor samples = noise({5, 8, 8, 4}, 0.5f);
  for (const float scale : {1.0f, 7.5f}) EXPECT_EQ(together(samples, texts, scale), one_by_one(samples, texts, scale)) << scale;
}

TEST_F(Guided, TextsTakeTurnsByStep) {
  const EncodedPrompt changing{{context(1, 1), context(2, 2)}, {0, 1, 0}};
  const ImageTexts texts{std::make_shared<EncodedPrompt>(changing), text(1, 3)};
  const Tensor sample = noise({1, 8, 8, 4}, 0.5f);
  // At an unchanging sample DeepCache changes nothing, unless what it keeps is another text's.
  for (const int interval : {1, 2}) {
    for (const int calls_of_a_step : {1, 2}) {
      TextToImageOptions options;
      options.num_inference_steps = 3, options.guidance_scale = 7.5f;
      options.deep_cache_interval = interval;
      GuidedUNet unet(unet_, {texts}, options);
      for (int call = 0; call < 3 * calls_of_a_step; ++call) {
        const UNetContext& context = changing.contexts[changing.turns[static_cast<std::size_t>(call / calls_of_a_step)]];
        const ImageTexts now{std::make_shared<EncodedPrompt>(EncodedPrompt{{context}, {}}), texts.negative_prompt};
        EXPECT_EQ(unet.predict(sample, kTimestep, call, 3 * calls_of_a_step).to_host(), together(sample, {now}, *options.guidance_scale))
            << call << " of " << 3 * calls_of_a_step << ", DeepCache " << interval;
      }
    }
  }
}

TEST_F(Guided, DeepCacheIsRenewedWhereGuidanceBeginsAndEndsAndAtItsInterval) {
  const ImageTexts texts{text(1, 1), text(1, 2)};
  TextToImageOptions options;
  options.guidance_scale = 7.5f, options.num_inference_steps = 9, options.guidance_start = 1 / 3.f, options.guidance_stop = 2 / 3.f;
  GuidedUNet whole(unet_, {texts}, options);
  options.deep_cache_interval = 4;
  GuidedUNet cached(unet_, {texts}, options);
  for (int step = 0; step < 9; ++step) {
    const Tensor sample = noise({1, 8, 8, 4}, static_cast<float>(step));
    const bool renewed = step == 0 || step == 3 || step == 4 || step == 6 || step == 8;  // 3 and 6: guidance begins and ends
    EXPECT_EQ(cached.predict(sample, kTimestep, step, 9).to_host() == whole.predict(sample, kTimestep, step, 9).to_host(), renewed) << step;
  }
}

TEST_F(Guided, DeepCacheBesideControlNetsChangesNothingWhereNothingChanges) {
  const std::string folder = IMPASTO_TEST_DATA "/adapters/controlnet";
  const auto net = std::make_shared<const ControlNet>(read_control_net_config(folder), open_weights(folder, "diffusion_pytorch_model"), backend_);
  const Tensor hint = net->embed(noise({1, 64, 64, 3}, 4)), sample = noise({1, 8, 8, 4}, 0.5f);
  const std::vector<ImageTexts> texts{{text(1, 1), text(1, 2)}}, of_other_lengths{{text(2, 1), text(1, 2)}};
  for (const bool guess_mode : {false, true})
    for (const auto& led : {texts, of_other_lengths}) {
      const auto predict = [&](int interval, float scale) {
        TextToImageOptions options;
        options.guidance_scale = 7.5f, options.deep_cache_interval = interval;
        GuidedUNet unet(unet_, led, options, {{net, hint, scale, 0, 1, guess_mode}, {net, hint, 0.5f * scale, 0, 1, guess_mode}});
        std::vector<std::vector<float>> all;
        for (int step = 0; step < 3; ++step) all.push_back(unet.predict(sample, kTimestep, step, 3).to_host());
        return all;
      };
      EXPECT_EQ(predict(3, 0.8f), predict(1, 0.8f)) << guess_mode;
      EXPECT_NE(predict(3, 0.8f), predict(3, 0.f)) << guess_mode;
    }
}

}  // namespace
}  // namespace impasto::test
