// What a model with two text encoders, and its refiner, do beside what diffusers' numbers hold.
#include <gtest/gtest.h>

#include "adapters/lora_maker.h"
#include "impasto/components.h"
#include "impasto/pipeline.h"
#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

TextToImageOptions two_steps(const std::string& prompt) {
  TextToImageOptions o;
  o.prompt = prompt, o.negative_prompt = "blurry";
  o.num_inference_steps = 2, o.seed = 3, o.width = o.height = 64, o.guidance_scale = 7.5f;
  return o;
}

class Xl : public ::testing::Test {
 protected:
  const Pipeline base_ = Pipeline::load(test_checkpoint("tiny-sdxl")), refiner_ = Pipeline::load(test_checkpoint("tiny-sdxl-refiner"));

  std::vector<float> latents(const TextToImageOptions& options) const { return base_.text_to_image(options).latents.values; }
};

TEST_F(Xl, IsDescribed) {
  const ModelInfo info = base_.info();
  EXPECT_EQ(info.pipeline_class, "StableDiffusionXLPipeline");
  std::vector<std::string> names;
  for (const ComponentInfo& component : info.components) names.push_back(component.name);
  EXPECT_EQ(names, (std::vector<std::string>{"text_encoder", "text_encoder_2", "unet", "vae"}));
  EXPECT_EQ(info.components[1].class_name, "CLIPTextModelWithProjection");
  EXPECT_EQ(info.width, 96);
  EXPECT_EQ(refiner_.info().components.front().name, "text_encoder_2");
}

TEST_F(Xl, DrawsTheSameWithOneNetworkAtATime) {
  LoadOptions load;
  load.low_memory = true;
  EXPECT_EQ(Pipeline::load(test_checkpoint("tiny-sdxl"), load).text_to_image(two_steps("a red boat")).latents.values,
            latents(two_steps("a red boat")));
}

TEST_F(Xl, EachImageOfABatchIsTheImageDrawnAlone) {
  TextToImageOptions o = two_steps("");
  o.prompts = {"a red boat", "a house"};
  o.decode = false;
  const std::vector<float> both = latents(o);
  for (std::size_t i = 0; i < 2; ++i) {
    TextToImageOptions one = two_steps(i == 0 ? "a red boat" : "a house");
    one.seed = 3 + i;
    const std::vector<float> alone = latents(one);
    const auto begin = both.begin() + static_cast<std::ptrdiff_t>(i * alone.size());
    EXPECT_EQ(std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(alone.size())), alone) << "image " << i;
  }
}

TEST_F(Xl, SecondPromptIsTheFirstWhereNoneIsGiven) {
  TextToImageOptions o = two_steps("a red boat");
  const std::vector<float> expected = latents(o);
  o.prompt_2 = "a red boat", o.negative_prompt_2 = "blurry";
  EXPECT_EQ(latents(o), expected);
  o.prompt_2 = "a house";
  EXPECT_NE(latents(o), expected);
}

TEST_F(Xl, SizesAreThoseDrawnWhereNoneAreGiven) {
  TextToImageOptions o = two_steps("a red boat");
  const std::vector<float> expected = latents(o);
  o.micro_conditions = {PictureSize{64, 64}, PicturePoint{0, 0}, PictureSize{64, 64}};
  EXPECT_EQ(latents(o), expected);
  o.negative_micro_conditions.original_size = PictureSize{64, 32};
  EXPECT_NE(latents(o), expected);
}

TEST_F(Xl, LongPromptsAndWeightsReachBothEncoders) {
  for (const PromptSyntax syntax : {PromptSyntax::a1111, PromptSyntax::comfyui}) {
    TextToImageOptions o = two_steps("a red boat");
    const std::vector<float> plain = latents(o);
    o.prompt_syntax = syntax;
    EXPECT_EQ(latents(o), plain) << "without weights in one chunk it is the plain prompt";
    o.prompt = "a (red:1.4) boat";
    EXPECT_NE(latents(o), plain);
    o.prompt.clear();
    for (int i = 0; i < 50; ++i) o.prompt += "a red boat ";
    const std::vector<float> whole = latents(o);
    o.prompt_2 = "a red boat";  // of one chunk beside those
    EXPECT_NE(latents(o), whole);
  }
}

TEST_F(Xl, PromptsThatChangeOnTheWayChangeForBothEncoders) {
  TextToImageOptions o = two_steps("a red boat");
  o.prompt_syntax = PromptSyntax::a1111;
  const std::vector<float> expected = latents(o);
  o.prompt = "a [red:blue:2] boat";  // blue after the last step
  EXPECT_EQ(latents(o), expected);
  o.prompt = "a [red:blue:1] boat";
  EXPECT_NE(latents(o), expected);
  o.prompt = "a red boat", o.prompt_2 = "a [red:blue:1] boat";
  EXPECT_NE(latents(o), expected);
}

TEST_F(Xl, AdaptersReachEachNetworkByTheNamesOfItsParts) {
  const TextToImageOptions o = two_steps("a red boat");
  const std::vector<float> plain = latents(o);
  const auto with = [&](const std::string& module, std::int64_t in, std::int64_t out) {
    const TemporaryFolder folder;
    const std::string path = write_lora(folder, {{module + ".lora_down.weight", {{1, in}, std::vector<float>(static_cast<std::size_t>(in), 0.5f)}},
                                                 {module + ".lora_up.weight", {{out, 1}, std::vector<float>(static_cast<std::size_t>(out), 0.5f)}}});
    const Pipeline adapted = base_.with_loras({{path, 1.0f}});
    EXPECT_TRUE(adapted.warnings().empty()) << module;
    return adapted.text_to_image(o).latents.values;
  };
  const auto first = with("lora_te1_text_model_encoder_layers_0_mlp_fc1", 32, 64);
  const auto second = with("lora_te2_text_model_encoder_layers_0_mlp_fc1", 40, 80);
  const auto pooled_alone = with("lora_te2_text_model_encoder_layers_3_mlp_fc1", 40, 80);  // the last layer, which the context does not see
  const auto unet = with("lora_unet_input_blocks_4_1_proj_in", 16, 16);
  EXPECT_NE(first, plain);
  EXPECT_NE(second, plain);
  EXPECT_NE(pooled_alone, plain);
  EXPECT_NE(unet, plain);
  EXPECT_EQ(unet, with("lora_unet_down_blocks_1_attentions_0_proj_in", 16, 16));
  EXPECT_EQ(second, with("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", 40, 80));
}

TensorRef ref(const HostTensor& t) { return {t.shape, t.values.data()}; }

HostTensor joined(const HostTensor& a, const HostTensor& b) {
  HostTensor both = a;
  both.shape[0] += b.shape[0];
  both.values.insert(both.values.end(), b.values.begin(), b.values.end());
  return both;
}

TEST_F(Xl, LoopOverThePartsEqualsThePipeline) {
  const TextToImageOptions o = two_steps("a red boat");
  const Components parts = components(base_);
  ASSERT_EQ(parts.texts.size(), 2u);
  const auto encode = [&](const std::string& text) {
    std::vector<PromptPart> readers;
    for (const TextComponent& part : parts.texts) readers.push_back({part.tokenizer, part.encoder, text});
    return encode_prompt(readers, {.penultimate = true});
  };
  const EncodedPromptText negative = encode("blurry"), positive = encode("a red boat");
  const TextComponent& second = parts.texts[1];
  EXPECT_EQ(second.name, "text_encoder_2");
  EXPECT_EQ(second.encoder.pooled(second.tokenizer.encode("a red boat").ids, 1, second.tokenizer.end_id()).shape, positive.pooled.shape);
  const HostTensor context = joined(negative.context, positive.context), pooled = joined(negative.pooled, positive.pooled);
  const HostTensor ids{{2, 6}, {64, 64, 0, 0, 64, 64, 64, 64, 0, 0, 64, 64}};
  const UNetTexts texts(ref(context), ref(pooled), ref(ids));
  Sampler sampler(base_.info().scheduler_config);
  sampler.set_timesteps(2);
  HostTensor x{{1, 4, 8, 8}, Generator(3).randn(4 * 8 * 8)};
  for (float& v : x.values) v *= static_cast<float>(sampler.init_noise_sigma());
  for (int i = 0; i < 2; ++i) {
    const HostTensor input = sampler.scale_model_input(ref(x), i), twice = joined(input, input);
    const HostTensor both = parts.unet.forward(ref(twice), sampler.timesteps()[static_cast<std::size_t>(i)], texts);
    HostTensor guided = input;
    const std::size_t half = guided.values.size();
    for (std::size_t k = 0; k < half; ++k) guided.values[k] = both.values[k] + *o.guidance_scale * (both.values[k + half] - both.values[k]);
    x = sampler.step(ref(guided), i, ref(x), [](const std::vector<std::int64_t>&) { return HostTensor(); });
  }
  EXPECT_EQ(x.values, latents(o));
}

TEST_F(Xl, PartsRefuseTextsThatDoNotFit) {
  const Components parts = components(base_), refiner = components(refiner_);
  ASSERT_EQ(refiner.texts.size(), 1u);
  EXPECT_EQ(refiner.texts[0].name, "text_encoder_2");
  const HostTensor x{{1, 4, 8, 8}, std::vector<float>(256)}, context{{1, 77, 72}, std::vector<float>(77 * 72)};
  const HostTensor pooled{{1, 24}, std::vector<float>(24)}, six{{1, 6}, std::vector<float>(6)}, five{{1, 5}, std::vector<float>(5)};
  EXPECT_ERROR(parts.unet.forward(ref(x), 1, ref(context)), invalid_argument, "text_embeds has shape []");
  EXPECT_ERROR(parts.unet.forward(ref(x), 1, UNetTexts(ref(context), ref(pooled), ref(five))), invalid_argument, "expected [1, 6]");
  EXPECT_ERROR(parts.unet.forward(ref(x), 1, UNetTexts(ref(context), ref(five), ref(six))), invalid_argument, "5 columns");
  EXPECT_EQ(UNetModel::load(test_checkpoint("tiny-sdxl") + "/unet").forward(ref(x), 1, UNetTexts(ref(context), ref(pooled), ref(six))).values,
            parts.unet.forward(ref(x), 1, UNetTexts(ref(context), ref(pooled), ref(six))).values);
  const std::vector<std::int32_t> ids = parts.texts[0].tokenizer.encode("a boat").ids;
  EXPECT_ERROR(parts.texts[0].encoder.pooled(ids, 1, ids.back()), unsupported, "no projection");
  EXPECT_ERROR(parts.texts[1].encoder.pooled(ids, 1, 3), invalid_argument, "id 3");
}

TEST_F(Xl, RefinerGoesOnWhereTheBaseStops) {
  TextToImageOptions first = two_steps("a red boat");
  first.num_inference_steps = 5, first.denoising_end = 0.6, first.decode = false;
  ImageToImageOptions second;
  static_cast<TextToImageOptions&>(second) = first;
  second.denoising_end.reset();
  second.width = second.height = 0, second.decode = true;
  second.denoising_start = 0.6;
  const TextToImageResult stopped = base_.text_to_image(first);
  EXPECT_EQ(stopped.timings.steps.size(), 3u);
  second.image_latents = stopped.latents;
  const TextToImageResult refined = refiner_.image_to_image(second);
  EXPECT_EQ(refined.timings.steps.size(), 2u);
  ASSERT_EQ(refined.images.size(), 1u);
  EXPECT_EQ(refined.images[0].width, 64);
}

TEST_F(Xl, StoppingAndGoingOnWithOneModelIsTheWholeWalk) {
  TextToImageOptions whole = two_steps("a red boat");
  whole.num_inference_steps = 5;
  TextToImageOptions first = whole;
  first.denoising_end = 0.6;
  ImageToImageOptions second;
  static_cast<TextToImageOptions&>(second) = whole;
  second.denoising_start = 0.6;
  second.image_latents = base_.text_to_image(first).latents;
  EXPECT_EQ(base_.image_to_image(second).latents.values, latents(whole));
}

Image stripes(int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = i / 30 % 2 == 0 ? 200 : 40;
  return image;
}

InpaintOptions right_half(int steps) {
  InpaintOptions o;
  static_cast<TextToImageOptions&>(o) = two_steps("a red boat");
  o.num_inference_steps = steps, o.strength = 1;
  o.image = o.mask_image = stripes(64, 64);
  for (std::size_t i = 0; i < o.mask_image.pixels.size(); ++i) o.mask_image.pixels[i] = i / 3 % 64 < 32 ? 0 : 255;
  return o;
}

TEST_F(Xl, InpaintingStopsAndGoesOn) {
  const InpaintOptions whole = right_half(5);
  InpaintOptions first = whole, second = whole;
  first.denoising_end = 0.6, first.decode = false;
  second.denoising_start = 0.6;
  EXPECT_ERROR(base_.inpaint(second), invalid_argument, "go together");
  second.image_latents = base_.inpaint(first).latents;
  const TextToImageResult expected = base_.inpaint(whole), found = base_.inpaint(second);
  EXPECT_EQ(found.latents.values, expected.latents.values);
  EXPECT_EQ(found.images[0].pixels, expected.images[0].pixels);
  const TextToImageResult refined = refiner_.inpaint(second);
  EXPECT_NE(refined.images[0].pixels, expected.images[0].pixels);
  for (std::size_t i = 0; i < refined.images[0].pixels.size(); ++i) {
    if (i / 3 % 64 < 32) {
      ASSERT_EQ(refined.images[0].pixels[i], whole.image.pixels[i]) << "outside the mask";
    }
  }
  second.width = second.height = 32;
  EXPECT_ERROR(base_.inpaint(second), invalid_argument, "image_latents are those of 64 x 64");
}

TEST_F(Xl, SecondPassOfHiresStopsAndGoesOn) {
  TextToImageOptions whole = two_steps("a red boat");
  whole.num_inference_steps = 4;
  whole.hires = Hires{.scale = 1.5, .strength = 0.7};
  TextToImageOptions first = whole;
  first.denoising_end = 0.8, first.decode = false;
  const TextToImageResult stopped = base_.text_to_image(first);
  ImageToImageOptions second;
  static_cast<TextToImageOptions&>(second) = two_steps("a red boat");
  second.num_inference_steps = stopped.num_inference_steps, second.width = second.height = 0;
  second.denoising_start = 0.8, second.image_latents = stopped.latents;
  EXPECT_EQ(base_.image_to_image(second).latents.values, latents(whole));
  EXPECT_EQ(refiner_.image_to_image(second).images.at(0).width, 96);
  first.denoising_end = 0.1;
  EXPECT_ERROR(base_.text_to_image(first), invalid_argument, "the walk begins behind it");
}

TEST_F(Xl, UnsetOptionsAreDiffusersDefaultsForTheModelsKind) {
  const Pipeline sd15 = Pipeline::load(test_checkpoint("tiny-sd15"));
  for (const auto& [pipeline, guidance, strength, inpaint_strength] : {std::tuple{&base_, 5.0f, 0.3, 0.9999}, {&sd15, 7.5f, 0.8, 1.0}}) {
    TextToImageOptions text = two_steps("a red boat");
    text.num_inference_steps = 10, text.decode = false;
    const auto drawn = [&, p = pipeline](const auto& o, auto call) { return (p->*call)(o).latents.values; };
    TextToImageOptions unset = text;
    unset.guidance_scale.reset(), text.guidance_scale = guidance;
    EXPECT_EQ(drawn(unset, &Pipeline::text_to_image), drawn(text, &Pipeline::text_to_image)) << guidance;
    ImageToImageOptions image;
    static_cast<TextToImageOptions&>(image) = unset;
    image.image = stripes(64, 64);
    ImageToImageOptions said = image;
    said.guidance_scale = guidance, said.strength = strength;
    EXPECT_EQ(drawn(image, &Pipeline::image_to_image), drawn(said, &Pipeline::image_to_image)) << strength;
    InpaintOptions masked = right_half(10), masked_said = masked;
    masked.guidance_scale.reset(), masked.strength.reset();
    masked_said.guidance_scale = 7.5f, masked_said.strength = inpaint_strength;
    EXPECT_EQ(drawn(masked, &Pipeline::inpaint), drawn(masked_said, &Pipeline::inpaint)) << inpaint_strength;
  }
}

TEST_F(Xl, RefusesWhatDoesNotFit) {
  TextToImageOptions o = two_steps("a red boat");
  o.denoising_end = 1.5;
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "denoising_end");
  o = two_steps("a red boat");
  o.micro_conditions.original_size = PictureSize{0, 64};
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "original_size.height is 0");
  o = two_steps("a red boat");
  o.aesthetic_score = -1;
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "aesthetic");
  o = two_steps("a red boat");
  o.clip_skip = 2;  // of three layers the last is left out already
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "clip_skip");
  o = two_steps("");
  o.prompt_embeds = HostTensor{{1, 77, 72}, std::vector<float>(77 * 72)};
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "pooled_prompt_embeds");
  o.pooled_prompt_embeds = HostTensor{{1, 23}, std::vector<float>(23)};
  EXPECT_ERROR(base_.text_to_image(o), invalid_argument, "[1, 23]");
}

TEST_F(Xl, RefusesLatentsToGoOnFromThatDoNotFit) {
  ImageToImageOptions o;
  o.prompt = "a red boat", o.denoising_start = 0.5;
  EXPECT_ERROR(base_.image_to_image(o), invalid_argument, "picture to start from");
  o.image_latents = HostTensor{{1, 3, 8, 8}, std::vector<float>(3 * 64)};
  EXPECT_ERROR(base_.image_to_image(o), invalid_argument, "image_latents");
  o.image_latents = HostTensor{{1, 4, 8, 8}, std::vector<float>(4 * 64)};
  o.width = 72;
  EXPECT_ERROR(base_.image_to_image(o), invalid_argument, "64 x 64");
  o.width = 0, o.denoising_start = 1;
  EXPECT_ERROR(base_.image_to_image(o), invalid_argument, "denoising_start");
  o.denoising_start = 0.9999;
  EXPECT_ERROR(base_.image_to_image(o), invalid_argument, "leaves no step");
}

TEST(XlOptions, OfAModelWithOneTextEncoderAreRefused) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions o = two_steps("a red boat");
  o.prompt_2 = "a house";
  EXPECT_ERROR(pipeline.text_to_image(o), unsupported, "one text encoder");
  o = two_steps("");
  o.prompt_embeds = HostTensor{{1, 77, 32}, std::vector<float>(77 * 32)};
  o.pooled_prompt_embeds = HostTensor{{1, 24}, std::vector<float>(24)};
  EXPECT_ERROR(pipeline.text_to_image(o), invalid_argument, "pooled");
}

TEST(XlCheckpoint, RefusesNetworksThatDoNotFitTogether) {
  const CheckpointCopy copy("tiny-sdxl");
  copy.edit("unet/config.json", {{"projection_class_embeddings_input_dim", 60}});
  EXPECT_ERROR(inspect(copy.path()), bad_file, "projection_class_embeddings_input_dim");
}

}  // namespace
}  // namespace impasto::test
