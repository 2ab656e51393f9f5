// The parts of a checkpoint on their own, as other loops than ours use them.
#include "impasto/components.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

class ComponentsTest : public ::testing::Test {
 protected:
  static HostTensor noise(std::vector<std::int64_t> shape, std::uint64_t seed) {
    std::int64_t n = 1;
    for (const std::int64_t d : shape) n *= d;
    return {std::move(shape), Generator(seed).randn(n)};
  }
  static TensorRef ref(const HostTensor& t) { return {t.shape, t.values.data()}; }

  const std::string folder_ = test_checkpoint("tiny-sd15");
  const Components parts_ = components(Pipeline::load(folder_));
  const HostTensor context_ = noise({1, 77, 32}, 1);
};

TEST_F(ComponentsTest, MoveToAnotherDeviceAndAreBuiltAnewAfterUnloading) {
  const HostTensor x = noise({1, 4, 8, 8}, 2), context = noise({1, 77, 32}, 1);
  const auto close = [](const HostTensor& a, const HostTensor& b) {
    ASSERT_EQ(a.shape, b.shape);
    for (std::size_t i = 0; i < a.values.size(); ++i) ASSERT_NEAR(a.values[i], b.values[i], 2e-3) << i;
  };
  const HostTensor out = parts_.unet.forward(ref(x), 500, ref(context)), pixels = parts_.vae.decode(ref(x));
  const UNetModel unet = parts_.unet.with_device("reference");
  const VaeModel vae = parts_.vae.with_device("reference");
  close(unet.forward(ref(x), 500, ref(context)), out);
  close(vae.decode(ref(x)), pixels);
  const std::vector<std::int32_t> ids = parts_.texts[0].tokenizer.encode_padded("a boat").ids;
  close(parts_.texts[0].encoder.with_device("reference").forward(ids, 1), parts_.texts[0].encoder.forward(ids, 1));
  EXPECT_EQ(unet.with_device("cpu").forward(ref(x), 500, ref(context)).values, out.values);
  parts_.unet.unload(), parts_.vae.unload(), parts_.texts[0].encoder.unload();
  EXPECT_EQ(parts_.unet.forward(ref(x), 500, ref(context)).values, out.values);
  EXPECT_EQ(parts_.vae.decode(ref(x)).values, pixels.values);
  EXPECT_ERROR(parts_.unet.with_device("tpu"), unsupported, "tpu");
  EXPECT_ERROR(parts_.unet.with_device("reference", "float16"), unsupported, "float16");
}

TEST_F(ComponentsTest, ControlNetsAndTheSafetyCheckerMove) {
  const HostTensor x = noise({1, 4, 8, 8}, 2), context = noise({1, 77, 32}, 1), picture = noise({1, 3, 64, 64}, 3);
  const ControlNetModel net = ControlNetModel::load(IMPASTO_TEST_DATA "/adapters/controlnet");
  const HostTensor here = net.forward(ref(x), 500, ref(context), ref(picture)).mid;
  const HostTensor there = net.with_device("reference").forward(ref(x), 500, ref(context), ref(picture)).mid;
  for (std::size_t i = 0; i < here.values.size(); ++i) ASSERT_NEAR(here.values[i], there.values[i], 2e-3) << i;
  const SafetyModel checker = SafetyModel::load(IMPASTO_TEST_DATA "/safety_checker");
  const HostTensor seen = checker.clip_input({8, 8, std::vector<std::uint8_t>(192, 100)});
  EXPECT_EQ(checker.with_device("reference").flags(ref(seen)), checker.flags(ref(seen)));
}

TEST_F(ComponentsTest, LoopOverThemEqualsThePipeline) {
  TextToImageOptions options;
  options.prompt = "a boat", options.negative_prompt = "grey", options.seed = 5, options.num_inference_steps = 3, options.scheduler = "euler_a";
  options.height = options.width = 64;
  const TextToImageResult expected = Pipeline::load(folder_).text_to_image(options);

  std::vector<std::int32_t> ids;
  for (const char* text : {"grey", "a boat"}) {
    const Tokenizer::Encoding e = parts_.texts[0].tokenizer.encode_padded(text);
    ids.insert(ids.end(), e.ids.begin(), e.ids.end());
  }
  const HostTensor context = parts_.texts[0].encoder.forward(ids, 2);
  std::stringstream config;
  config << std::ifstream(folder_ + "/scheduler/scheduler_config.json").rdbuf();
  Sampler sampler(config.str(), "euler_a");
  sampler.set_timesteps(3);
  Generator generator(5);
  HostTensor x{{1, 4, 8, 8}, generator.randn(4 * 8 * 8)};
  for (float& v : x.values) v *= static_cast<float>(sampler.init_noise_sigma());
  for (int i = 0; i < 3; ++i) {
    const HostTensor input = sampler.scale_model_input(ref(x), i);
    HostTensor twice{{2, 4, 8, 8}, input.values};
    twice.values.insert(twice.values.end(), input.values.begin(), input.values.end());
    const HostTensor both = parts_.unet.forward(ref(twice), sampler.timesteps()[static_cast<std::size_t>(i)], ref(context));
    HostTensor guided = input;
    for (std::size_t k = 0; k < guided.values.size(); ++k) {
      const float difference = both.values[k + guided.values.size()] - both.values[k];
      guided.values[k] = both.values[k] + 7.5f * difference;
    }
    x = sampler.step(ref(guided), i, ref(x), [&](const std::vector<std::int64_t>& s) { return HostTensor{s, generator.randn(4 * 8 * 8)}; });
  }
  EXPECT_EQ(x.values, expected.latents.values);
}

TEST_F(ComponentsTest, UNetKeepsTextsApartHoweverManyThereAre) {
  const HostTensor sample = noise({1, 4, 8, 8}, 2);
  std::vector<HostTensor> first;
  for (std::uint64_t text = 0; text < 7; ++text) first.push_back(parts_.unet.forward(ref(sample), 500, ref(noise({1, 77, 32}, text))));
  for (std::uint64_t text = 0; text < 7; ++text) {
    EXPECT_EQ(parts_.unet.forward(ref(sample), 500, ref(noise({1, 77, 32}, text))).values, first[text].values);
    if (text > 0) {
      EXPECT_NE(first[text].values, first[0].values);
    }
  }
}

TEST_F(ComponentsTest, OnesThatAreLoadedAloneAreTheSame) {
  const HostTensor sample = noise({2, 4, 8, 6}, 2), context = noise({2, 77, 32}, 3);
  EXPECT_EQ(UNetModel::load(folder_ + "/unet").forward(ref(sample), 1, ref(context)).values,
            parts_.unet.forward(ref(sample), 1, ref(context)).values);
  EXPECT_EQ(VaeModel::load(folder_ + "/vae").decode(ref(sample)).values, parts_.vae.decode(ref(sample)).values);
  const std::vector<std::int32_t> ids = parts_.texts[0].tokenizer.encode("a boat").ids;
  EXPECT_EQ(TextModel::load(folder_ + "/text_encoder").forward(ids, 1).values, parts_.texts[0].encoder.forward(ids, 1).values);
}

TEST_F(ComponentsTest, RefusesShapesThatDoNotFit) {
  const HostTensor sample = noise({1, 4, 8, 8}, 2);
  EXPECT_ERROR(parts_.unet.forward(ref(noise({1, 5, 8, 8}, 2)), 1, ref(context_)), invalid_argument, "sample has shape [1, 5, 8, 8]");
  EXPECT_ERROR(parts_.unet.forward(ref(sample), 1, ref(noise({2, 77, 32}, 2))), invalid_argument, "encoder_hidden_states");
  EXPECT_ERROR(parts_.vae.decode(ref(noise({1, 3, 8, 8}, 2))), invalid_argument, "latents has shape");
  EXPECT_ERROR(parts_.vae.encode(ref(noise({1, 3, 7, 8}, 2))), invalid_argument, "at least 8");
  EXPECT_ERROR(parts_.texts[0].encoder.forward(std::vector<std::int32_t>{1, 1 << 20}, 1), invalid_argument, "vocabulary");
  EXPECT_ERROR(parts_.texts[0].encoder.forward(std::vector<std::int32_t>{1, 2, 3}, 2), invalid_argument, "equal length");
}

TEST_F(ComponentsTest, RefusesWeightsThatDoNotFitTheirConfig) {
  std::stringstream config;
  config << std::ifstream(folder_ + "/unet/config.json").rdbuf();
  const float value = 0;
  const GivenWeights weights{.tensors = {{"conv_in.weight", GivenWeights::Type::float32, {1, 1}, &value}}, .owner = nullptr};
  EXPECT_ERROR(UNetModel::from_weights(config.str(), weights), bad_file, "");
  EXPECT_ERROR(UNetModel::from_weights("[]", weights), bad_file, "UNet's config");
}

TEST_F(ComponentsTest, CallsStopWhenAsked) {
  const HostTensor sample = noise({1, 4, 8, 8}, 2);
  EXPECT_ERROR(parts_.unet.forward(ref(sample), 1, ref(context_), [] { return true; }), cancelled, "");
  EXPECT_EQ(parts_.unet.forward(ref(sample), 1, ref(context_)).shape, sample.shape);
}

TEST(SamplerTest, RefusesStepsThatAreNotThere) {
  Sampler sampler("{}", "ddim");
  const HostTensor x{{1, 4}, {1, 2, 3, 4}};
  const auto none = [](const std::vector<std::int64_t>&) { return HostTensor{}; };
  EXPECT_ERROR(sampler.step({x.shape, x.values.data()}, 0, {x.shape, x.values.data()}, none), invalid_argument, "set_timesteps");
  sampler.set_timesteps(3);
  EXPECT_ERROR(sampler.step({x.shape, x.values.data()}, 3, {x.shape, x.values.data()}, none), invalid_argument, "0 to 2");
  EXPECT_ERROR(Sampler("{}", "no_such"), unsupported, "no_such");
}

/// As Pipeline::with_controlnets, whose results are held against diffusers.
TEST_F(ComponentsTest, ControlNetsAnswerGoesIntoTheUNet) {
  const ControlNetModel net = ControlNetModel::load(IMPASTO_TEST_DATA "/adapters/controlnet");
  const HostTensor x = noise({1, 4, 7, 6}, 2), picture = noise({1, 3, 56, 48}, 3);
  const auto lead = [&](float scale) {
    const ControlNetOutput out = net.forward(ref(x), 500, ref(context_), ref(picture), scale);
    UNetResiduals residuals;
    for (const HostTensor& each : out.down) residuals.down.push_back(ref(each));
    residuals.mid = ref(out.mid);
    return parts_.unet.forward(ref(x), 500, ref(context_), residuals).values;
  };
  EXPECT_EQ(lead(0), parts_.unet.forward(ref(x), 500, ref(context_)).values);
  EXPECT_NE(lead(1), lead(0));
  EXPECT_EQ(lead(1), lead(1));
}

TEST_F(ComponentsTest, ResidualsAndPicturesThatDoNotFitAreRefused) {
  const ControlNetModel net = ControlNetModel::load(IMPASTO_TEST_DATA "/adapters/controlnet");
  const HostTensor x = noise({1, 4, 8, 8}, 2), picture = noise({1, 3, 56, 48}, 3);
  EXPECT_ERROR(net.forward(ref(x), 1, ref(context_), ref(picture)), invalid_argument, "controlnet_cond has shape [1, 3, 56, 48]");
  const UNetResiduals one{{ref(x)}, ref(x)};
  EXPECT_ERROR(parts_.unet.forward(ref(x), 1, ref(context_), one), invalid_argument, "1 residuals for the way down");
  EXPECT_ERROR(ControlNetModel::load("/nowhere"), not_found, "config.json");
}

TEST_F(ComponentsTest, PromptsAreReadInEverySyntax) {
  const std::string text = "a (boat:1.2) on the sea";
  const auto read = [&](PromptSyntax syntax) { return encode_prompt(parts_.texts[0].tokenizer, parts_.texts[0].encoder, text, {.syntax = syntax}); };
  EXPECT_EQ(read(PromptSyntax::plain).context.values, parts_.texts[0].encoder.forward(parts_.texts[0].tokenizer.encode_padded(text).ids, 1).values);
  EXPECT_NE(read(PromptSyntax::a1111).context.values, read(PromptSyntax::plain).context.values);
  EXPECT_NE(read(PromptSyntax::comfyui).context.values, read(PromptSyntax::a1111).context.values);
  EXPECT_ERROR(encode_prompt(parts_.texts[0].tokenizer, parts_.texts[0].encoder, "a [boat:house:0.5]", {.syntax = PromptSyntax::a1111}), unsupported,
               "changes on the way");
}

TEST_F(ComponentsTest, PromptsThatChangeHaveAContextForEachTextAndATurnForEachStep) {
  const auto read = [&](const std::string& text, PromptSyntax syntax, int steps) {
    return encode_prompt_turns(parts_.texts[0].tokenizer, parts_.texts[0].encoder, text, steps, {.syntax = syntax});
  };
  const auto alone = [&](const std::string& text) {
    return encode_prompt(parts_.texts[0].tokenizer, parts_.texts[0].encoder, text, {.syntax = PromptSyntax::a1111}).context.values;
  };
  const EncodedPromptTurns changing = read("a [boat:house:2]", PromptSyntax::a1111, 5);
  EXPECT_EQ(changing.turns, (std::vector<std::uint32_t>{0, 0, 1, 1, 1}));
  ASSERT_EQ(changing.contexts.size(), 2u);
  EXPECT_EQ(changing.contexts[0].values, alone("a boat"));
  EXPECT_EQ(changing.contexts[1].values, alone("a house"));
  EXPECT_EQ(read("a [boat|house]", PromptSyntax::a1111, 3).turns, (std::vector<std::uint32_t>{0, 1, 0}));
  EXPECT_EQ(read("a boat", PromptSyntax::a1111, 3).contexts.size(), 1u);
  EXPECT_EQ(read("a [boat:house:2]", PromptSyntax::plain, 3).turns, (std::vector<std::uint32_t>{0, 0, 0}));
  EXPECT_ERROR(read("a", PromptSyntax::plain, 0), invalid_argument, "num_steps is 0");
  EXPECT_ERROR(read("[a|b][a|b|c][a|b|c|d|e][a|b|c|d|e|f|g][a|b|c|d|e|f|g|h|i|j|k]", PromptSyntax::a1111, 1000), invalid_argument, "changes into");
}

TEST_F(ComponentsTest, AWalkKeepsItsDeepPartUntilTextsOrShapesChange) {
  const HostTensor x = noise({1, 4, 8, 8}, 2), wide = noise({1, 4, 8, 16}, 3), other = noise({1, 77, 32}, 4);
  const auto step = [&](UNetWalk& walk, const HostTensor& sample, double t, const HostTensor& context) {
    return parts_.unet.forward(ref(sample), t, ref(context), UNetResiduals{}, walk).values;
  };
  const auto whole = [&](const HostTensor& sample, double t, const HostTensor& context) {
    return parts_.unet.forward(ref(sample), t, ref(context)).values;
  };
  UNetWalk walk(3);
  EXPECT_EQ(step(walk, x, 900, context_), whole(x, 900, context_));
  EXPECT_NE(step(walk, x, 500, context_), whole(x, 500, context_));
  EXPECT_EQ(step(walk, x, 500, other), whole(x, 500, other));
  EXPECT_EQ(step(walk, wide, 500, other), whole(wide, 500, other));
  EXPECT_NE(step(walk, wide, 400, other), whole(wide, 400, other));
  EXPECT_NE(step(walk, wide, 300, other), whole(wide, 300, other));
  EXPECT_EQ(step(walk, wide, 200, other), whole(wide, 200, other)) << "every third is whole";
  UNetWalk alike(2);  // of a sample and timestep that stay, what is kept is as good as new
  UNetResiduals residuals;
  const ControlNetOutput control =
      ControlNetModel::load(IMPASTO_TEST_DATA "/adapters/controlnet").forward(ref(x), 500, ref(context_), ref(noise({1, 3, 64, 64}, 3)));
  for (const HostTensor& each : control.down) residuals.down.push_back(ref(each));
  residuals.mid = ref(control.mid);
  const auto led = parts_.unet.forward(ref(x), 500, ref(context_), residuals).values;
  EXPECT_NE(led, whole(x, 500, context_));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(parts_.unet.forward(ref(x), 500, ref(context_), residuals, alike).values, led) << i;
  UNetWalk merging(1, 0.5f);
  EXPECT_NE(step(merging, x, 900, context_), whole(x, 900, context_));
  EXPECT_ERROR(UNetWalk(0), invalid_argument, "deep_cache_interval is 0");
  EXPECT_ERROR(UNetWalk(1, 0.76f), invalid_argument, "token_merging_ratio is 0.76");
}

}  // namespace
}  // namespace impasto::test
