#include <cmath>
#include <limits>
#include <thread>
#include <utility>

#include "core/threads.h"
#include "impasto/pipeline.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

class TextToImage : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.prompt = "a boat at sunset";
    options_.num_inference_steps = 2;
    options_.seed = 7;
    options_.scheduler = "EulerAncestralDiscreteScheduler";  // draws noise at every step
    options_.height = options_.width = 64;
  }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options_;
};

TEST_F(TextToImage, GivesPicturesSeedsSizeAndTimings) {
  options_.num_images = 2;
  options_.width = 72;
  const TextToImageResult result = pipeline_.text_to_image(options_);
  ASSERT_EQ(result.images.size(), 2u);
  EXPECT_EQ(result.images[0].width, 72);
  EXPECT_EQ(result.images[0].height, 64);
  EXPECT_EQ(result.images[0].pixels.size(), 3u * 72 * 64);
  EXPECT_EQ(result.seeds, (std::vector<std::uint64_t>{7, 8}));
  EXPECT_EQ(result.latents.shape, (std::vector<std::int64_t>{2, 4, 8, 9}));
  EXPECT_EQ(result.scheduler, "EulerAncestralDiscreteScheduler");
  EXPECT_EQ(result.timings.steps.size(), 2u);
}

TEST_F(TextToImage, TakesTheModelsOwnSizeAndSchedulerByDefault) {
  options_.height = options_.width = 0;
  options_.scheduler.clear();
  const TextToImageResult result = pipeline_.text_to_image(options_);
  EXPECT_EQ(result.width, pipeline_.info().width);
  EXPECT_EQ(result.height, pipeline_.info().height);
  EXPECT_EQ(result.scheduler, pipeline_.info().scheduler);
}

TEST_F(TextToImage, ImageOfABatchEqualsTheImageDrawnAloneFromItsSeed) {
  options_.num_images = 3;
  const TextToImageResult batch = pipeline_.text_to_image(options_);
  options_.num_images = 1;
  for (std::size_t k = 0; k < 3; ++k) {
    options_.seed = batch.seeds[k];
    EXPECT_EQ(pipeline_.text_to_image(options_).images[0].pixels, batch.images[k].pixels) << "image " << k;
  }
}

TEST_F(TextToImage, SharedGeneratorKeepsTheFirstImageOnlyWithoutNoiseInTheSteps) {
  options_.scheduler = "euler";
  options_.num_images = 2;
  const TextToImageResult apart = pipeline_.text_to_image(options_);
  options_.shared_generator = true;
  const TextToImageResult shared = pipeline_.text_to_image(options_);
  EXPECT_EQ(apart.images[0].pixels, shared.images[0].pixels);
  EXPECT_NE(apart.images[1].pixels, shared.images[1].pixels);
}

TEST_F(TextToImage, NumberOfThreadsChangesNoBit) {
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const std::vector<float> latents = pipeline_.text_to_image(options_).latents.values;
    if (first.empty()) first = latents;
    EXPECT_EQ(latents, first) << threads << " threads";
  }
  set_num_threads(0);
}

TEST_F(TextToImage, ServesSeveralThreadsAtOnce) {
  const std::vector<float> alone = pipeline_.text_to_image(options_).latents.values;
  std::vector<std::vector<float>> results(3);
  std::vector<std::thread> callers;
  for (auto& result : results) callers.emplace_back([&] { result = pipeline_.text_to_image(options_).latents.values; });
  for (std::thread& caller : callers) caller.join();
  for (const auto& result : results) EXPECT_EQ(result, alone);
}

TEST_F(TextToImage, WithoutStepsThatAreGuidedEqualsNoGuidance) {
  options_.num_inference_steps = 4;
  const auto guided = pipeline_.text_to_image(options_).latents.values;
  options_.guidance_stop = 0;
  const auto none = pipeline_.text_to_image(options_).latents.values;
  options_.guidance_start = 0.5f, options_.guidance_stop = 1;
  const auto late = pipeline_.text_to_image(options_).latents.values;
  options_.guidance_start = 0, options_.guidance_scale = 1;
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, none);
  EXPECT_NE(late, none);
  EXPECT_NE(late, guided);
}

TEST_F(TextToImage, TokenMergingIsExactAtNoneAndLooseAtMore) {
  options_.num_inference_steps = 3;
  const auto whole = pipeline_.text_to_image(options_).latents.values;
  options_.token_merging_ratio = 1e-6f;  // of 64 tokens: none
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, whole);
  options_.token_merging_ratio = 0.5f;
  const auto merged = pipeline_.text_to_image(options_).latents.values;
  EXPECT_NE(merged, whole);
  options_.deep_cache_interval = 3;
  EXPECT_NE(pipeline_.text_to_image(options_).latents.values, merged);
}

TEST_F(TextToImage, DeepCacheChangesNothingBeforeItsFirstUse) {
  options_.num_inference_steps = 1;
  const auto whole = pipeline_.text_to_image(options_).latents.values;
  options_.deep_cache_interval = 3;
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, whole);
}

TEST_F(TextToImage, DeepCacheIsRenewedAtItsIntervalAndWhereGuidanceEnds) {
  options_.num_inference_steps = 6;
  options_.num_images = 2;
  const auto whole = pipeline_.text_to_image(options_).latents.values;
  options_.deep_cache_interval = 2;
  const auto every_second = pipeline_.text_to_image(options_).latents.values;
  options_.deep_cache_interval = 3;
  const auto every_third = pipeline_.text_to_image(options_).latents.values;
  EXPECT_NE(every_second, whole);
  EXPECT_NE(every_third, every_second);
  options_.guidance_stop = 0.5f;
  EXPECT_NE(pipeline_.text_to_image(options_).latents.values, every_third);
  options_.num_images = 1;
  const auto alone = pipeline_.text_to_image(options_).images[0].pixels;
  options_.num_images = 2;
  EXPECT_EQ(pipeline_.text_to_image(options_).images[0].pixels, alone);
}

TEST_F(TextToImage, HookSeesEachStepAndItsLatents) {
  std::vector<int> steps;
  std::vector<float> last;
  options_.on_step = [&](const StepInfo& info) {
    steps.push_back(info.step);
    EXPECT_EQ(info.num_steps, 2);
    last = info.latents().values;
    return StepAction::proceed;
  };
  const TextToImageResult result = pipeline_.text_to_image(options_);
  EXPECT_EQ(steps, (std::vector<int>{0, 1}));
  EXPECT_EQ(last, result.latents.values);
}

TEST_F(TextToImage, HookCancelsWithinAStep) {
  int calls = 0;
  options_.num_inference_steps = 50;
  options_.on_step = [&](const StepInfo&) { return ++calls == 2 ? StepAction::cancel : StepAction::proceed; };
  EXPECT_ERROR(pipeline_.text_to_image(options_), cancelled, "step 2 of 50");
  EXPECT_EQ(calls, 2);
}

TEST_F(TextToImage, StartsFromGivenLatents) {
  options_.scheduler = "ddim";
  options_.decode = false;
  const TextToImageResult from_zero = [&] {
    auto o = options_;
    o.latents = HostTensor{{1, 4, 8, 8}, std::vector<float>(256, 0.0f)};
    return pipeline_.text_to_image(o);
  }();
  EXPECT_TRUE(from_zero.images.empty());
  EXPECT_NE(from_zero.latents.values, pipeline_.text_to_image(options_).latents.values);
  options_.latents = HostTensor{{1, 4, 8, 9}, std::vector<float>(288)};
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "latents", "[1, 4, 8, 8]");
}

TEST_F(TextToImage, WarnsAboutWhatALongPromptLost) {
  options_.prompt = "a boat";
  for (int i = 0; i < 100; ++i) options_.prompt += " and a boat";
  options_.prompt += " under the final bridge";
  const TextToImageResult result = pipeline_.text_to_image(options_);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_NE(result.warnings[0].find("77 tokens"), std::string::npos) << result.warnings[0];
  EXPECT_NE(result.warnings[0].find("final bridge"), std::string::npos) << result.warnings[0];
}

TEST_F(TextToImage, ReadsAllOfALongPromptInOtherSyntaxes) {
  for (int i = 0; i < 100; ++i) options_.prompt += " and a boat";
  options_.prompt_syntax = PromptSyntax::a1111;
  const TextToImageResult result = pipeline_.text_to_image(options_);
  EXPECT_TRUE(result.warnings.empty());
  options_.prompt += " under the final bridge";
  EXPECT_NE(pipeline_.text_to_image(options_).latents.values, result.latents.values);
}

TEST_F(TextToImage, ClipSkipHoldsForTheNegativePromptInOtherSyntaxes) {
  options_.clip_skip = 1;
  const auto plain = pipeline_.text_to_image(options_).latents.values;
  options_.prompt_syntax = PromptSyntax::a1111;
  const auto a1111 = pipeline_.text_to_image(options_).latents.values;
  EXPECT_NE(a1111, plain);
  options_.prompt_syntax = PromptSyntax::comfyui;
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, a1111);
  options_.guidance_scale = 1;
  const auto without_negative = pipeline_.text_to_image(options_).latents.values;
  options_.prompt_syntax = PromptSyntax::plain;
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, without_negative);
}

/// Latents after each step.
std::vector<std::vector<float>> walk(const Pipeline& pipeline, TextToImageOptions options, const std::string& prompt) {
  std::vector<std::vector<float>> steps;
  options.prompt = prompt;
  options.decode = false;
  options.on_step = [&](const StepInfo& info) {
    steps.push_back(info.latents().values);
    return StepAction::proceed;
  };
  pipeline.text_to_image(options);
  return steps;
}

TEST_F(TextToImage, APromptIsEditedAfterItsStep) {
  options_.num_inference_steps = 4;
  options_.prompt_syntax = PromptSyntax::a1111;
  for (const std::string scheduler : {"euler", "heun"}) {  // heun asks the network twice a step, but once in the last
    options_.scheduler = scheduler;
    const auto boat = walk(pipeline_, options_, "a boat"), house = walk(pipeline_, options_, "a house");
    const auto both = walk(pipeline_, options_, "a [boat:house:2]");
    ASSERT_EQ(both.size(), boat.size());
    const std::size_t half = boat.size() / 2 + boat.size() % 2;
    for (std::size_t i = 0; i < boat.size(); ++i) EXPECT_EQ(both[i] == boat[i], i < half) << scheduler << " step " << i;
    EXPECT_EQ(walk(pipeline_, options_, "a [boat:house:0]"), house);
    EXPECT_EQ(walk(pipeline_, options_, "a [boat:house:1.0]"), boat);
    EXPECT_EQ(walk(pipeline_, options_, "a [boat:house:.5]"), both);
  }
}

TEST_F(TextToImage, RefusesAPromptThatChangesIntoTooMuch) {
  options_.prompt_syntax = PromptSyntax::a1111;
  options_.num_inference_steps = 1000;
  options_.prompt = "[a|b][a|b|c][a|b|c|d|e][a|b|c|d|e|f|g][a|b|c|d|e|f|g|h|i|j|k]";
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "prompt", "changes");
}

TEST_F(TextToImage, WalksOverTimestepsOrSigmasOfOnesOwn) {
  options_.scheduler = "euler";
  options_.num_inference_steps = 5;
  std::vector<double> seen;
  options_.on_step = [&](const StepInfo& info) { return seen.push_back(info.timestep), StepAction::proceed; };
  const auto usual = pipeline_.text_to_image(options_);
  options_.num_inference_steps = 50;  // says nothing beside a path
  options_.timesteps = std::exchange(seen, {});
  EXPECT_EQ(inference_steps(options_), 5);
  EXPECT_EQ(pipeline_.text_to_image(options_).latents.values, usual.latents.values);
  EXPECT_EQ(seen, options_.timesteps);
  options_.timesteps.clear(), options_.sigmas = {10, 3, 0};
  EXPECT_EQ(inference_steps(options_), 2);
  EXPECT_EQ(pipeline_.text_to_image(options_).timings.steps.size(), 2u);
}

TEST_F(TextToImage, RefusesAPathOfOnesOwnThatDoesNotFit) {
  const auto refused = [&](const std::string& scheduler, ErrorKind kind, auto change, const std::string& words) {
    TextToImageOptions o = options_;
    o.scheduler = scheduler;
    change(o);
    try {
      pipeline_.text_to_image(o);
      ADD_FAILURE() << scheduler << ": " << words;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  refused(
      "ddim", ErrorKind::unsupported,
      [](auto& o) {
        o.timesteps = {900, 1};
      },
      "no timesteps");
  refused(
      "heun", ErrorKind::unsupported,
      [](auto& o) {
        o.sigmas = {9, 1, 0};
      },
      "no sigmas");
  refused(
      "euler", ErrorKind::invalid_argument,
      [](auto& o) {
        o.timesteps = {1, 900};
      },
      "go down");
  refused(
      "euler", ErrorKind::invalid_argument, [](auto& o) { o.sigmas = {1}; }, "has to follow");
  refused(
      "euler", ErrorKind::invalid_argument,
      [](auto& o) {
        o.timesteps = {900, 1}, o.sigmas = {9, 0};
      },
      "both set");
  refused(
      "euler", ErrorKind::invalid_argument,
      [](auto& o) {
        o.timesteps = {900, 1}, o.schedule = "karras";
      },
      "karras");
  refused(
      "euler", ErrorKind::invalid_argument,
      [](auto& o) {
        o.timesteps = {900, 1}, o.hires.emplace();
      },
      "hires");
}

TEST_F(TextToImage, RefusesOptionsOutOfRangeByName) {
  const auto refused = [&](auto change, const std::string& name) {
    TextToImageOptions o = options_;
    change(o);
    EXPECT_ERROR(pipeline_.text_to_image(o), invalid_argument, name);
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const int side : {-8, 1, 12, 20000, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    refused([&](auto& o) { o.width = side; }, "width");
    refused([&](auto& o) { o.height = side; }, "height");
  }
  for (const int steps : {0, -1, 1001, std::numeric_limits<int>::max()})
    refused([&](auto& o) { o.num_inference_steps = steps; }, "num_inference_steps");
  for (const int images : {0, -1, 1 << 20}) refused([&](auto& o) { o.num_images = images; }, "num_images");
  for (const float scale : {-1.0f, kNan, 1e30f}) refused([&](auto& o) { o.guidance_scale = scale; }, "guidance_scale");
  for (const float rescale : {-0.1f, 1.1f, kNan}) refused([&](auto& o) { o.guidance_rescale = rescale; }, "guidance_rescale");
  for (const float share : {-0.1f, 1.1f, kNan}) {
    refused([&](auto& o) { o.guidance_start = share; }, "guidance_start");
    refused([&](auto& o) { o.guidance_stop = share; }, "guidance_stop");
  }
  refused([&](auto& o) { o.guidance_start = 0.6f, o.guidance_stop = 0.5f; }, "guidance_start");
  for (const int interval : {0, -1, 101}) refused([&](auto& o) { o.deep_cache_interval = interval; }, "deep_cache_interval");
  for (const float ratio : {-0.1f, 0.76f, kNan}) refused([&](auto& o) { o.token_merging_ratio = ratio; }, "token_merging_ratio");
  for (const float eta : {-0.1f, 1.1f, kNan}) refused([&](auto& o) { o.eta = eta; }, "eta");
  for (const int skip : {-1, 100}) refused([&](auto& o) { o.clip_skip = skip; }, "clip_skip");
  refused([&](auto& o) { o.prompt = "caf\xe9"; }, "prompt is not valid UTF-8: byte 3 is 0xe9");
  refused([&](auto& o) { o.negative_prompt = "caf\xe9"; }, "negative_prompt is not valid UTF-8");
  refused([&](auto& o) { o.prompt_2 = "caf\xe9"; }, "prompt_2 is not valid UTF-8");
  refused([&](auto& o) { o.prompt.clear(), o.prompts = {"a", "caf\xe9"}; }, "prompts[1] is not valid UTF-8");
  refused([&](auto& o) { o.prompt = std::string(1 << 20, 'a'); }, "prompt");
  options_.scheduler = "FlowMatchEulerDiscreteScheduler";
  EXPECT_ERROR(pipeline_.text_to_image(options_), unsupported, "FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler");
}

TEST_F(TextToImage, ChecksMemoryBeforeTakingIt) {
  options_.width = options_.height = 16384;
  options_.num_images = 1000;
  EXPECT_ERROR(pipeline_.text_to_image(options_), out_of_memory, "16384x16384", "GB");
}

TEST_F(TextToImage, AmendsOldSchedulerConfigsAsDiffusersPipelinesDo) {
  const auto latents = [&](const Json& config) {
    const CheckpointCopy copy("tiny-sd15");
    copy.edit("scheduler/scheduler_config.json", config);
    TextToImageOptions o = options_;
    o.scheduler.clear();
    return Pipeline::load(copy.path()).text_to_image(o).latents.values;
  };
  const auto today = latents({{"_class_name", "DDIMScheduler"}, {"clip_sample", false}, {"steps_offset", 1}});
  EXPECT_EQ(latents({{"_class_name", "DDIMScheduler"}, {"clip_sample", true}, {"steps_offset", 0}}), today);
  EXPECT_EQ(latents({{"_class_name", "DDIMScheduler"}, {"clip_sample", nullptr}, {"steps_offset", nullptr}}), today);
}

TEST_F(TextToImage, ShortNamesTellVariantsOfAClassApart) {
  options_.decode = false;
  options_.num_inference_steps = 4;
  options_.scheduler = "DPMSolverMultistepScheduler";
  const auto plain = pipeline_.text_to_image(options_);
  options_.scheduler = "dpm++_2m_sde";
  const auto sde = pipeline_.text_to_image(options_);
  EXPECT_EQ(sde.scheduler, plain.scheduler);
  EXPECT_NE(sde.latents.values, plain.latents.values);
}

TEST_F(TextToImage, SaysWhetherTheSchedulerHonouredKarrasSigmas) {
  options_.decode = false;
  options_.num_inference_steps = 4;
  for (const auto& [class_name, short_name, a1111_name] : scheduler_names()) {
    options_.scheduler = short_name;
    options_.use_karras_sigmas = false;
    const auto trained = pipeline_.text_to_image(options_);
    EXPECT_FALSE(trained.karras_sigmas) << short_name;
    EXPECT_TRUE(trained.warnings.empty()) << short_name;
    options_.use_karras_sigmas = true;
    const auto asked = pipeline_.text_to_image(options_);
    EXPECT_EQ(asked.karras_sigmas, asked.latents.values != trained.latents.values) << short_name;
    EXPECT_EQ(asked.karras_sigmas, asked.warnings.empty()) << short_name;
  }
}

TEST_F(TextToImage, ScheduleIsAnOptionOrPartOfTheSchedulersName) {
  options_.decode = false;
  options_.num_inference_steps = 4;
  const auto draw = [&](const std::string& scheduler, const std::string& schedule, std::optional<bool> karras = {}) {
    options_.scheduler = scheduler, options_.schedule = schedule, options_.use_karras_sigmas = karras;
    return pipeline_.text_to_image(options_);
  };
  const auto plain = draw("euler", ""), karras = draw("euler", "karras"), beta = draw("euler", "beta");
  EXPECT_EQ(plain.schedule, "");
  EXPECT_EQ(karras.schedule, "karras");
  EXPECT_EQ(beta.schedule, "beta");
  EXPECT_FALSE(beta.karras_sigmas);
  EXPECT_NE(karras.latents.values, plain.latents.values);
  EXPECT_NE(beta.latents.values, karras.latents.values);
  EXPECT_EQ(draw("Euler Karras", "").latents.values, karras.latents.values);
  EXPECT_EQ(draw("euler", "", true).latents.values, karras.latents.values);
  EXPECT_EQ(draw("Euler Karras", "Beta", true).latents.values, beta.latents.values) << "schedule wins";
  EXPECT_EQ(draw("Euler Karras", "", false).latents.values, plain.latents.values);
  EXPECT_EQ(draw("Euler Karras", "uniform").latents.values, plain.latents.values);
  EXPECT_EQ(draw("euler", "automatic").latents.values, plain.latents.values);
  const auto trailing = draw("ddim", "SGM Uniform");
  EXPECT_EQ(trailing.schedule, "trailing");
  EXPECT_TRUE(trailing.warnings.empty());
  EXPECT_NE(trailing.latents.values, draw("ddim", "").latents.values);
  const auto ignored = draw("ddim", "beta");
  ASSERT_EQ(ignored.warnings.size(), 1u);
  EXPECT_NE(ignored.warnings[0].find("DDIMScheduler has no beta schedule"), std::string::npos);
  EXPECT_ERROR(draw("euler", "odd"), unsupported, "odd", "karras");
}

TEST_F(TextToImage, OptionsCanBeCheckedBeforeLoading) {
  const ModelInfo info = inspect(test_checkpoint("tiny-sd15"));
  EXPECT_NO_THROW(check_options(options_, info));
  const auto refused = [&](auto change) {
    TextToImageOptions o = options_;
    change(o);
    check_options(o, info);
  };
  EXPECT_ERROR(refused([](auto& o) { o.width = 12; }), invalid_argument, "width is 12");
  EXPECT_ERROR(refused([](auto& o) { o.num_inference_steps = 0; }), invalid_argument, "num_inference_steps");
  EXPECT_ERROR(refused([](auto& o) { o.num_inference_steps = 1001; }), invalid_argument, "num_inference_steps");
  EXPECT_ERROR(refused([](auto& o) { o.scheduler = "best"; }), unsupported, "best");
  EXPECT_ERROR(refused([](auto& o) { o.width = o.height = 16384, o.num_images = 1000; }), out_of_memory, "GB");
}

TEST_F(TextToImage, AFileThatIsCutWhileDrawingDoesNotMatter) {
  const auto whole = pipeline_.text_to_image(options_).images[0].pixels;
  for (const char* component : {"unet", "text_encoder", "vae"}) {
    const CheckpointCopy copy("tiny-sd15");
    const Pipeline pipeline = Pipeline::load(copy.path());
    options_.on_step = [&](const StepInfo&) {
      copy.truncate(copy.weights(component), 0);
      return StepAction::proceed;
    };
    EXPECT_EQ(pipeline.text_to_image(options_).images[0].pixels, whole) << component;
    EXPECT_EQ(pipeline.text_to_image(options_).images[0].pixels, whole) << component << ", the next call";
  }
}

TEST_F(TextToImage, MappedFilesGiveTheSamePictureAndACutBetweenCallsIsNoticed) {
  const auto whole = pipeline_.text_to_image(options_).images[0].pixels;
  for (const char* component : {"unet", "text_encoder", "vae"}) {
    const CheckpointCopy copy("tiny-sd15");
    const Pipeline pipeline = Pipeline::load(copy.path(), {.map_weights = true});
    EXPECT_EQ(pipeline.text_to_image(options_).images[0].pixels, whole);
    copy.truncate(copy.weights(component), 4096);
    EXPECT_ERROR(pipeline.text_to_image(options_), bad_file, copy.weights(component));
  }
}

TEST_F(TextToImage, StopsAtAnyOperationWhenAsked) {
  int asked = 0, asked_before_decoding = 0;
  options_.should_stop = [&] { return ++asked, false; };
  options_.on_step = [&](const StepInfo&) { return asked_before_decoding = asked, StepAction::proceed; };
  const auto whole = pipeline_.text_to_image(options_).images[0].pixels;
  const int all = asked;
  ASSERT_GT(asked_before_decoding, 100) << "in the text encoder and in two steps";
  ASSERT_GT(all - asked_before_decoding, 10) << "in the decoder";
  for (const int stop : {1, 2, asked_before_decoding / 2, asked_before_decoding + 1, (asked_before_decoding + all) / 2, all}) {
    asked = 0;
    options_.should_stop = [&] { return ++asked == stop; };
    EXPECT_ERROR(pipeline_.text_to_image(options_), cancelled, "cancelled");
    EXPECT_EQ(asked, stop) << "nothing more was computed";
  }
  options_.should_stop = nullptr;
  EXPECT_EQ(pipeline_.text_to_image(options_).images[0].pixels, whole);
}

TEST_F(TextToImage, StopsWithAnErrorThatNamesTheDamagedTensor) {
  for (const char* component : {"unet", "text_encoder", "vae"}) {
    const CheckpointCopy copy("tiny-sd15");
    const std::string name = copy.poison(component);
    const Pipeline damaged = Pipeline::load(copy.path());
    EXPECT_ERROR(damaged.text_to_image(options_), non_finite, name, component);
  }
}

}  // namespace
}  // namespace impasto::test
