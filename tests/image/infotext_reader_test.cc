// parse_infotext and apply_infotext against infotext, and against texts that A1111 wrote.
#include <gtest/gtest.h>

#include "impasto/metadata.h"

namespace impasto {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

TEST(ParseInfotext, TakesA1111sTextApart) {
  const Infotext text = parse_infotext(
      "a cat, (sitting:1.2)\nby the sea\nNegative prompt: blurry, bad\nugly\n"
      "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123, Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, "
      "Lora hashes: \"one: abc, two: def\", TI hashes: \"say \\\"hi\\\"\", Version: v1.10.1");
  EXPECT_EQ(text.prompt, "a cat, (sitting:1.2)\nby the sea");
  EXPECT_EQ(text.negative_prompt, "blurry, bad\nugly");
  EXPECT_EQ(text.value("Steps"), "20");
  EXPECT_EQ(text.value("Sampler"), "DPM++ 2M Karras");
  EXPECT_EQ(text.value("Lora hashes"), "one: abc, two: def");
  EXPECT_EQ(text.value("TI hashes"), "say \"hi\"");
  EXPECT_EQ(text.value("Version"), "v1.10.1");
  EXPECT_EQ(text.value("Nothing"), "");
  EXPECT_EQ(text.fields.size(), 10u);
}

TEST(ParseInfotext, AnyTextIsAPromptWithoutThreeFields) {
  EXPECT_EQ(parse_infotext("").prompt, "");
  EXPECT_EQ(parse_infotext("a cat").prompt, "a cat");
  EXPECT_EQ(parse_infotext("a cat\nmood: good, colour: red").prompt, "a cat\nmood: good, colour: red");
  EXPECT_EQ(parse_infotext("a cat\nmood: good, colour: red").fields, Fields());
  EXPECT_EQ(parse_infotext("Negative prompt: dogs\nSteps: 1, Sampler: Euler, Seed: 2").negative_prompt, "dogs");
  EXPECT_EQ(parse_infotext("Steps: 1, Sampler: Euler, Seed: 2").prompt, "");
  EXPECT_EQ(parse_infotext("x\nSteps: 1, Odd: \"open, Seed: 2, Size: 8x8").value("Seed"), "2");
}

TEST(ApplyInfotext, SeedsMeanWhatTheyMeantWhereTheTextComesFrom) {
  const auto rng = [](const std::string& more) {
    InpaintOptions options;
    apply_infotext(parse_infotext("a cat\nSteps: 20, Sampler: Euler, Seed: 1" + more), options);
    return options.rng;
  };
  EXPECT_EQ(rng(", RNG: CPU, Version: v1.10.1"), Rng::cpu);
  EXPECT_EQ(rng(", RNG: NV, Version: v1.10.1"), Rng::cuda);
  EXPECT_EQ(rng(", Version: v1.10.1"), Rng::cuda) << "A1111's default is the GPU";
  EXPECT_EQ(rng(", RNG: CPU, Version: impasto 0.1.0"), Rng::cpu);
  EXPECT_EQ(rng(", Version: impasto 0.1.0"), Rng::cpu);
}

TEST(ApplyInfotext, BringsBackWhatOnlyTheXlKindLooksAt) {
  InpaintOptions before;
  before.prompt = "a cat", before.prompt_2 = "oil, on canvas", before.negative_prompt_2 = "a dog";
  before.micro_conditions = {PictureSize{.height = 24, .width = 32}, PicturePoint{.top = 8, .left = 16}, {}};
  before.negative_micro_conditions.target_size = PictureSize{.height = 96, .width = 128};
  before.aesthetic_score = 7.5f, before.negative_aesthetic_score = 1;
  before.denoising_end = 0.8;
  TextToImageResult result;
  result.seeds = {1}, result.scheduler = "EulerDiscreteScheduler", result.width = result.height = 64;
  result.refiner = "/models/sd_xl_refiner_1.0/";
  ModelInfo model;
  model.path = "/models/sdxl";
  const Infotext text = parse_infotext(infotext(static_cast<const TextToImageOptions&>(before), result, model, 0));
  InpaintOptions after;
  const std::vector<std::string> warnings = apply_infotext(text, after);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("sd_xl_refiner_1.0"), std::string::npos) << warnings[0];
  EXPECT_EQ(after.prompt_2, before.prompt_2);
  EXPECT_EQ(after.negative_prompt_2, before.negative_prompt_2);
  ASSERT_TRUE(after.micro_conditions.original_size && after.micro_conditions.crops_coords_top_left);
  EXPECT_EQ(after.micro_conditions.original_size->height, 24);
  EXPECT_EQ(after.micro_conditions.original_size->width, 32);
  EXPECT_EQ(after.micro_conditions.crops_coords_top_left->left, 16);
  EXPECT_FALSE(after.micro_conditions.target_size);
  ASSERT_TRUE(after.negative_micro_conditions.target_size);
  EXPECT_EQ(after.negative_micro_conditions.target_size->width, 128);
  EXPECT_EQ(after.aesthetic_score, 7.5f);
  EXPECT_EQ(after.negative_aesthetic_score, 1.f);
  EXPECT_FALSE(after.denoising_end) << "without the refiner it would end in noise";
}

TEST(ApplyInfotext, BringsBackWhatWasWritten) {
  InpaintOptions before;
  before.prompt = "a cat\nat night";
  before.negative_prompt = "dogs";
  before.num_inference_steps = 33;
  before.guidance_scale = 6.3F;
  before.guidance_rescale = 0.7F;
  before.guidance_start = 0.1F;
  before.guidance_stop = 0.8F;
  before.deep_cache_interval = 2;
  before.token_merging_ratio = 0.25F;
  before.vae_tiling = true;
  before.clip_skip = 1;
  before.prompt_syntax = PromptSyntax::comfyui;
  before.scheduler = "dpm++_2m_sde";
  before.strength = 0.55;
  before.invert_mask = true;
  before.mask_blur = 2.5F;
  before.inpaint_area = InpaintArea::masked;
  before.inpaint_padding = 17;
  before.keep_unmasked = false;
  TextToImageResult result;
  result.seeds = {18446744073709551615u};
  result.scheduler = "DPMSolverMultistepScheduler";
  result.karras_sigmas = true;
  result.width = 512;
  result.height = 768;
  InpaintOptions after;
  EXPECT_EQ(apply_infotext(parse_infotext(infotext(before, result, {}, 0)), after, {.image = true, .mask = true}), std::vector<std::string>());
  EXPECT_FALSE(after.keep_unmasked);
  EXPECT_EQ(after.prompt, before.prompt);
  EXPECT_EQ(after.guidance_start, before.guidance_start);
  EXPECT_EQ(after.guidance_stop, before.guidance_stop);
  EXPECT_EQ(after.deep_cache_interval, before.deep_cache_interval);
  EXPECT_EQ(after.token_merging_ratio, before.token_merging_ratio);
  EXPECT_EQ(after.vae_tiling, before.vae_tiling);
  EXPECT_EQ(after.negative_prompt, before.negative_prompt);
  EXPECT_EQ(after.num_inference_steps, 33);
  EXPECT_EQ(after.guidance_scale, 6.3F);
  EXPECT_EQ(after.guidance_rescale, 0.7F);
  EXPECT_EQ(after.clip_skip, 1);
  EXPECT_EQ(after.prompt_syntax, PromptSyntax::comfyui);
  EXPECT_EQ(after.seed, 18446744073709551615u);
  EXPECT_EQ(std::pair(after.width, after.height), std::pair(512, 768));
  EXPECT_EQ(after.scheduler, "dpm++_2m_sde");
  EXPECT_EQ(after.schedule, "karras");
  EXPECT_EQ(after.strength, 0.55);
  EXPECT_TRUE(after.invert_mask);
  EXPECT_EQ(after.mask_blur, 2.5F);
  EXPECT_EQ(after.inpaint_area, InpaintArea::masked);
  EXPECT_EQ(after.inpaint_padding, 17);
}

TextToImageResult one_picture() {
  TextToImageResult result;
  result.seeds = {5};
  result.scheduler = "EulerDiscreteScheduler";
  result.width = 512, result.height = 384;
  return result;
}

TEST(ApplyInfotext, BringsBackAPathOfOnesOwn) {
  TextToImageOptions before;
  before.timesteps = {999, 736.5, 24};
  const std::string text = infotext(before, one_picture(), {}, 0);
  EXPECT_EQ(text.find("Steps: 3, "), 0u) << text;
  EXPECT_NE(text.find("Timesteps: \"999, 736.5, 24\""), std::string::npos) << text;
  InpaintOptions after;
  after.sigmas = {1, 0};
  EXPECT_EQ(apply_infotext(parse_infotext(text), after), std::vector<std::string>());
  EXPECT_EQ(after.timesteps, before.timesteps);
  EXPECT_EQ(after.sigmas, std::vector<double>());
  before.timesteps.clear(), before.sigmas = {14.6, 0.5, 0};
  EXPECT_EQ(apply_infotext(parse_infotext(infotext(before, one_picture(), {}, 0)), after), std::vector<std::string>());
  EXPECT_EQ(after.timesteps, std::vector<double>());
  EXPECT_EQ(after.sigmas, before.sigmas);
  EXPECT_EQ(apply_infotext(parse_infotext("x\nSteps: 2, Sampler: Euler, Seed: 2, Sigmas: \"5, much\", Version: impasto 1"), after).size(), 1u);
}

TEST(ApplyInfotext, BringsBackAHiresFix) {
  TextToImageOptions before;
  before.hires = Hires{.scale = 1.5, .upscaler = HiresUpscaler::lanczos, .num_inference_steps = 12, .strength = 0.45};
  const std::string text = infotext(before, one_picture(), {}, 0);
  EXPECT_NE(text.find("Size: 512x384, Denoising strength: 0.45,"), std::string::npos) << text;
  EXPECT_NE(text.find("Hires upscale: 1.5, Hires steps: 12, Hires upscaler: Lanczos, Version"), std::string::npos) << text;
  InpaintOptions after;
  EXPECT_EQ(apply_infotext(parse_infotext(text), after), std::vector<std::string>());
  ASSERT_TRUE(after.hires);
  EXPECT_EQ(after.hires->scale, 1.5);
  EXPECT_EQ(after.hires->upscaler, HiresUpscaler::lanczos);
  EXPECT_EQ(after.hires->num_inference_steps, 12);
  EXPECT_EQ(after.hires->strength, 0.45);
  EXPECT_FALSE(after.strength) << "that of picture to picture is another";
  before.hires = Hires{};
  EXPECT_NE(infotext(before, one_picture(), {}, 0).find("Hires upscale: 2, Hires upscaler: Latent, Version"), std::string::npos);
  apply_infotext(parse_infotext("x\nSteps: 1, Sampler: Euler, Seed: 5, Version: impasto 1"), after);
  EXPECT_FALSE(after.hires);
}

TEST(ApplyInfotext, ReadsA1111sOtherHiresFields) {
  const auto read = [](const std::string& fields) {
    InpaintOptions options;
    const auto warnings =
        apply_infotext(parse_infotext("x\nSteps: 1, Sampler: Euler, Seed: 5, Size: 512x384, " + fields + ", Version: impasto 1"), options);
    return std::pair(options.hires.value_or(Hires{.scale = -1}), warnings);
  };
  EXPECT_EQ(read("Hires resize: 1024x0, Hires upscaler: Latent").first.scale, 2);
  EXPECT_EQ(read("Hires resize: 0x576, Hires upscaler: Latent").first.scale, 1.5);
  EXPECT_EQ(read("Hires resize: 0x0").second.size(), 1u);
  EXPECT_EQ(read("Hires resize: big").second.size(), 1u);
  EXPECT_EQ(read("Hires upscale: big").second.size(), 1u);
  const auto [gan, warnings] = read("Hires upscale: 2, Hires upscaler: R-ESRGAN 4x+");
  EXPECT_EQ(gan.upscaler, HiresUpscaler::lanczos);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("R-ESRGAN 4x+"), std::string::npos);
  EXPECT_EQ(read("Hires upscale: 2, Hires upscaler: Latent (nearest-exact)").first.upscaler, HiresUpscaler::latent);
}

TEST(ApplyInfotext, BringsBackHowControlNetsLed) {
  TextToImageOptions before;
  before.controls = {{.scale = 0.8f, .start = 0.1, .stop = 0.6}, {.guess_mode = true}};
  TextToImageResult result = one_picture();
  result.controlnets = {"models/sd-controlnet-canny/", "control_v11p_sd15_openpose.pth"};
  const std::string text = infotext(before, result, {}, 0);
  EXPECT_NE(text.find("ControlNet 0: \"Module: none, Model: sd-controlnet-canny, Weight: 0.8, Guidance Start: 0.1, Guidance End: 0.6, "
                      "Control Mode: Balanced\", ControlNet 1: \"Module: none, Model: control_v11p_sd15_openpose, Weight: 1, "),
            std::string::npos)
      << text;
  InpaintOptions after;
  const auto warnings = apply_infotext(parse_infotext(text), after);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[1].find("control_v11p_sd15_openpose"), std::string::npos);
  ASSERT_EQ(after.controls.size(), 2u);
  EXPECT_EQ(after.controls[0].scale, 0.8f);
  EXPECT_EQ(after.controls[0].start, 0.1);
  EXPECT_EQ(after.controls[0].stop, 0.6);
  EXPECT_FALSE(after.controls[0].guess_mode);
  EXPECT_TRUE(after.controls[1].guess_mode);
  EXPECT_EQ(after.controls[1].image.width, 0);
}

TEST(ApplyInfotext, BringsBackHowMuchIpAdaptersCounted) {
  TextToImageOptions before;
  before.controls = {{.scale = 0.8f}};
  before.ip_adapter_images = {{.scale = 0.65f}};
  TextToImageResult result = one_picture();
  result.controlnets = {"sd-controlnet-canny"}, result.ip_adapters = {"models/ip-adapter_sd15.safetensors"};
  const std::string text = infotext(before, result, {}, 0);
  EXPECT_NE(text.find("ControlNet 1: \"Module: ip-adapter-auto, Model: ip-adapter_sd15, Weight: 0.65, "), std::string::npos) << text;
  InpaintOptions after;
  after.ip_adapter_images.resize(3);
  const auto warnings = apply_infotext(parse_infotext(text), after);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[1].find("IP-Adapter ip-adapter_sd15"), std::string::npos);
  ASSERT_EQ(after.controls.size(), 1u);
  ASSERT_EQ(after.ip_adapter_images.size(), 1u);
  EXPECT_EQ(after.ip_adapter_images[0].scale, 0.65f);
}

TEST(ApplyInfotext, BringsBackHowCloselyAnEditKeptToItsPicture) {
  ImageToImageOptions before;
  before.image_guidance_scale = 2.25f;
  ModelInfo model;
  EXPECT_EQ(infotext(before, one_picture(), model, 0).find("Image CFG scale"), std::string::npos);
  model.editing = true;
  const std::string text = infotext(before, one_picture(), model, 0);
  EXPECT_NE(text.find("CFG scale: 7.5, Image CFG scale: 2.25, Seed: 5"), std::string::npos) << text;
  EXPECT_EQ(text.find("Denoising strength"), std::string::npos) << text;
  InpaintOptions after;
  EXPECT_EQ(apply_infotext(parse_infotext(text), after, {.image = true}), std::vector<std::string>());
  EXPECT_EQ(after.image_guidance_scale, 2.25f);
}

TEST(ApplyInfotext, KnowsEverySampler) {
  for (const SchedulerName& name : scheduler_names()) {
    TextToImageOptions options;
    options.scheduler = name.short_name;
    TextToImageResult result;
    result.seeds = {1};
    result.scheduler = name.class_name;
    InpaintOptions after;
    EXPECT_EQ(apply_infotext(parse_infotext(infotext(options, result, {}, 0)), after), std::vector<std::string>()) << name.short_name;
    EXPECT_FALSE(after.scheduler.empty()) << name.short_name;
  }
}

TEST(ApplyInfotext, ReadsPromptsOfOtherProgramsInA1111sSyntaxAndSaysSo) {
  InpaintOptions options;
  const auto warnings = apply_infotext(parse_infotext("(x:2)\nSteps: 1, Sampler: Euler, Seed: 5, Emphasis: No norm, Version: v1.10.1"), options);
  EXPECT_EQ(options.prompt_syntax, PromptSyntax::a1111);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("a1111"), std::string::npos);
  EXPECT_NE(warnings[1].find("No norm"), std::string::npos);
  apply_infotext(parse_infotext("x\nSteps: 1, Sampler: Euler, Seed: 5, Version: impasto 0.1.0"), options);
  EXPECT_EQ(options.prompt_syntax, PromptSyntax::plain);
  options.prompt_syntax = PromptSyntax::comfyui;
  EXPECT_EQ(apply_infotext(parse_infotext("no more than a prompt"), options), std::vector<std::string>());
  EXPECT_EQ(options.prompt_syntax, PromptSyntax::comfyui);
  EXPECT_EQ(apply_infotext(parse_infotext("x\nSteps: 1, Prompt syntax: odd, Version: impasto 9"), options).size(), 1u);
}

TEST(ApplyInfotext, ReadsOldNamesAndWarnsOfWhatItDoesNotKnow) {
  InpaintOptions options;
  options.num_inference_steps = 7;
  const auto warnings =
      apply_infotext(parse_infotext("x\nSteps: many, Sampler: DPM++ 2M Karras, Size: 8, Schedule type: Odd, Seed: 5, Clip skip: 0"), options);
  EXPECT_EQ(options.scheduler, "dpm++_2m");
  EXPECT_EQ(options.schedule, "karras");
  EXPECT_EQ(options.num_inference_steps, 7);
  EXPECT_EQ(options.seed, 5u);
  ASSERT_EQ(warnings.size(), 5u);
  EXPECT_NE(warnings[0].find("Steps: many"), std::string::npos);
  InpaintOptions euler;
  apply_infotext(parse_infotext("x\nSteps: 1, Sampler: Euler, Seed: 5"), euler);
  EXPECT_EQ(euler.scheduler, "euler");
}

TEST(ApplyInfotext, ReadsSchedules) {
  const auto schedule = [](const std::string& sampler, const std::string& type) {
    InpaintOptions options;
    options.use_karras_sigmas = true;  // of another picture
    EXPECT_TRUE(
        apply_infotext(parse_infotext("x\nSteps: 1, Sampler: " + sampler + ", Schedule type: " + type + ", Version: impasto 1"), options).empty());
    EXPECT_EQ(options.use_karras_sigmas, std::nullopt);
    return options.scheduler + "/" + options.schedule;
  };
  EXPECT_EQ(schedule("DPM++ 2M", "Karras"), "dpm++_2m/karras");
  EXPECT_EQ(schedule("DPM++ 2M", "Automatic"), "dpm++_2m/karras");
  EXPECT_EQ(schedule("DPM++ 2M SDE", "Automatic"), "dpm++_2m_sde/exponential");
  EXPECT_EQ(schedule("Euler", "Automatic"), "euler/uniform");
  EXPECT_EQ(schedule("euler A", "SGM Uniform"), "euler_a/trailing");
  EXPECT_EQ(schedule("LMS", "Beta"), "lms/beta");
}

}  // namespace
}  // namespace impasto
