// Pipelines led by ControlNets against diffusers.
#include <fstream>

#include "support/checkpoint_copy.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"

namespace impasto::test {
namespace {

const std::string kControlNet = IMPASTO_TEST_DATA "/adapters/controlnet";

Image stripes(int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = i / 30 % 2 == 0 ? 255 : 0;
  return image;
}

TextToImageOptions quick(std::vector<Control> controls) {
  TextToImageOptions o;
  o.prompt = "a red boat", o.seed = 4, o.num_inference_steps = 4, o.height = o.width = 64, o.controls = std::move(controls);
  return o;
}

/// The controls of a case; the larger collection says those of its single one as diffusers' arguments.
std::vector<Control> controls_of(const GoldenCase& golden) {
  std::vector<Control> controls;
  if (golden.settings().contains("controls"))
    for (const Json& c : golden.settings().at("controls"))
      controls.push_back({image_of(golden, "control_" + std::to_string(controls.size())), c.at("scale"), c.at("start"),
                          c.contains("stop") ? c.at("stop") : c.at("end"), golden.name().find("/guess_mode") != std::string::npos});
  else
    controls.push_back(
        {image_of(golden, "image"), setting(golden, "controlnet_conditioning_scale", 1.f), 0, setting(golden, "control_guidance_end", 1.0)});
  return controls;
}

TEST(ControlNet, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("adapters")) {
    if (!golden.name().starts_with("adapters/control")) continue;
    const bool ours = golden.settings().contains("controls");
    const std::vector<Control> controls = controls_of(golden);
    const std::vector<std::string> nets(controls.size(), ours ? kControlNet : golden.checkpoint("adapters") + "/controlnet");
    const Pipeline pipeline = Pipeline::load(golden.checkpoint()).with_controlnets(nets);
    auto options = options_of<ImageToImageOptions>(golden);
    options.controls = controls;
    if (!golden.settings().contains("strength")) {
      expect_result(golden, pipeline.text_to_image(options));
    } else {
      options.image = image_of(golden, "image");
      options.strength = setting(golden, "strength", 0.8);
      expect_result(golden, pipeline.image_to_image(options));
    }
    ++cases;
  }
  EXPECT_GE(cases, 6);
}

TEST(ControlNet, GuessModeEqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("control")) {
    if (!golden.name().starts_with("control/guess_mode")) continue;
    auto options = options_of<TextToImageOptions>(golden);
    options.controls = controls_of(golden);
    const std::vector<std::string> nets(options.controls.size(), kControlNet);
    expect_result(golden, Pipeline::load(golden.checkpoint()).with_controlnets(nets).text_to_image(options));
    ++cases;
  }
  EXPECT_EQ(cases, 3);
}

TEST(ControlNet, BesideAnInpaintingModelEqualsDiffusers) {
  for (const GoldenCase& golden : golden_cases("control")) {
    if (golden.name() != "control/inpaint") continue;
    auto options = options_of<InpaintOptions>(golden);
    options.controls = controls_of(golden);
    options.image = image_of(golden, "image"), options.mask_image = image_of(golden, "mask_image");
    options.keep_unmasked = false;
    expect_result(golden, Pipeline::load(golden.checkpoint()).with_controlnets({kControlNet}).inpaint(options));
  }
}

TEST(ControlNet, InGuessModePromptsOfAnyLengthGiveTheSamePictureAloneAndInABatch) {
  const Pipeline led = Pipeline::load(test_checkpoint("tiny-sd15")).with_controlnets({kControlNet});
  TextToImageOptions options = quick({{.image = stripes(64, 64), .guess_mode = true}});
  options.prompt_syntax = PromptSyntax::a1111;
  options.negative_prompt = "x " + std::string(400, '.');  // longer than the prompt
  options.num_images = 2;
  const auto both = led.text_to_image(options).images;
  options.num_images = 1, options.seed = 5;
  EXPECT_EQ(led.text_to_image(options).images.at(0).pixels, both.at(1).pixels);
  options.controls[0].guess_mode = false;
  EXPECT_NE(led.text_to_image(options).images.at(0).pixels, both.at(1).pixels);
}

/// The test's ControlNet as one file, its tensors renamed; an empty name leaves one out.
std::string single_file(const TemporaryFolder& folder, const std::function<std::string(const std::string& original, const std::string& ours)>& name) {
  const auto weights = open_weights(kControlNet, "diffusion_pytorch_model");
  std::ifstream table(IMPASTO_TEST_DATA "/single_files/controlnet.tsv");
  std::string header, data, original, ours;
  while (table >> original >> ours) {
    const TensorView view = weights->find(ours);
    const std::string called = name(original, ours);
    if (called.empty()) continue;
    header += (header.empty() ? "{" : ",") + record(called, "F16", view.shape.to_string(), data.size(), data.size() + view.bytes());
    data.append(view.as<char>(), view.bytes());
  }
  return folder.write("net.safetensors", make_safetensors(header + "}", data));
}

TEST(ControlNet, OneFileInEitherLayoutIsTheSameAsTheFolder) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const TemporaryFolder folder;
  const auto draw = [&](const std::string& net) { return pipeline.with_controlnets({net}).text_to_image(quick({{stripes(64, 64)}})).latents.values; };
  const auto expected = draw(kControlNet);
  EXPECT_EQ(draw(single_file(folder, [](const std::string& original, const std::string&) { return original; })), expected);
  EXPECT_EQ(draw(single_file(folder, [](const std::string&, const std::string& ours) { return ours; })), expected);
  const auto without_prefix = [](const std::string& original, const std::string&) { return original.substr(original.find('.') + 1); };
  EXPECT_EQ(draw(single_file(folder, without_prefix)), expected);
}

TEST(ControlNet, RefusesFilesThatAreNoneOrForAnotherModel) {
  const TemporaryFolder folder;
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto original = [](const std::string& name, const std::string&) { return name; };
  const auto without = [](const std::string& part) {
    return [part](const std::string& name, const std::string&) { return name.find(part) == std::string::npos ? name : ""; };
  };
  EXPECT_ERROR(pipeline.with_controlnets({single_file(folder, without("middle_block_out"))}), bad_file, "net.safetensors", "controlnet_mid_block");
  EXPECT_ERROR(pipeline.with_controlnets({single_file(folder, without("zero_convs.3."))}), bad_file, "controlnet_down_blocks.3");
  EXPECT_ERROR(pipeline.with_controlnets({single_file(folder, without("input_hint_block.0."))}), bad_file, "holds no ControlNet");
  EXPECT_ERROR(pipeline.with_controlnets({single_file(folder, without("input_blocks.11."))}), bad_file, "net.safetensors");
  EXPECT_ERROR(pipeline.with_controlnets({test_checkpoint("tiny-sd15") + "/unet/diffusion_pytorch_model.safetensors"}), bad_file,
               "holds no ControlNet");
  EXPECT_ERROR(pipeline.with_controlnets({folder.write("x.safetensors", "no")}), bad_file, "x.safetensors");
  const std::string file = single_file(folder, original);
  EXPECT_ERROR(pipeline.with_controlnets({file + "x"}), not_found, "net.safetensorsx");
  std::ifstream stream(file, std::ios::binary);
  std::string whole{std::istreambuf_iterator<char>(stream), {}};
  const auto shape = whole.find("[8, 32]", whole.find("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"));
  whole.replace(shape, 7, "[4, 64]");  // of a model whose texts are twice as wide
  EXPECT_ERROR(pipeline.with_controlnets({folder.write("wide.safetensors", whole)}), bad_file, "made for another model", "cross_attention_dim", "64");
}

TEST(ControlNet, LeavesThePipelineItWasAttachedToAsItWas) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), led = plain.with_controlnets({kControlNet});
  const auto before = plain.text_to_image(quick({})).latents.values;
  EXPECT_NE(led.text_to_image(quick({{stripes(64, 64)}})).latents.values, before);
  EXPECT_NE(led.text_to_image(quick({{stripes(64, 64)}})).latents.values, led.text_to_image(quick({{stripes(80, 64)}})).latents.values);
  EXPECT_EQ(led.text_to_image(quick({{stripes(64, 64), 0.f}})).latents.values, before);
  EXPECT_EQ(led.with_controlnets({}).text_to_image(quick({})).latents.values, before);
}

TEST(ControlNet, ImageOfABatchEqualsTheImageDrawnAlone) {
  const Pipeline led = Pipeline::load(test_checkpoint("tiny-sd15")).with_controlnets({kControlNet});
  TextToImageOptions options = quick({{stripes(64, 64)}});
  options.num_images = 2;
  const auto both = led.text_to_image(options).images;
  options.num_images = 1, options.seed = 5;
  EXPECT_EQ(led.text_to_image(options).images.at(0).pixels, both.at(1).pixels);
}

TEST(ControlNet, WorksBesideAdaptersAndInLowMemory) {
  const std::string lora = IMPASTO_TEST_DATA "/adapters/lora_kohya.safetensors";
  const auto draw = [&](const Pipeline& p) { return p.text_to_image(quick({{stripes(64, 64)}})).latents.values; };
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), small = Pipeline::load(test_checkpoint("tiny-sd15"), {.low_memory = true});
  const auto expected = draw(plain.with_loras({{lora}}).with_controlnets({kControlNet}));
  EXPECT_EQ(draw(plain.with_controlnets({kControlNet}).with_loras({{lora}})), expected);
  EXPECT_EQ(draw(small.with_controlnets({kControlNet}).with_loras({{lora}})), expected);
  EXPECT_NE(draw(plain.with_controlnets({kControlNet})), expected);
}

TEST(ControlNet, RefusesControlsThatMeanNothing) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), led = plain.with_controlnets({kControlNet});
  EXPECT_ERROR(led.text_to_image(quick({})), invalid_argument, "0 pictures for 1 ControlNets");
  EXPECT_ERROR(plain.text_to_image(quick({{stripes(64, 64)}})), invalid_argument, "1 pictures for 0 ControlNets");
  EXPECT_ERROR(led.text_to_image(quick({{Image{}}})), invalid_argument, "controls[0].image");
  EXPECT_ERROR(led.text_to_image(quick({{stripes(64, 64), std::nanf("")}})), invalid_argument, "controls[0].scale");
  for (const auto& [start, stop] : {std::pair{0.5, 0.5}, {-0.1, 1.0}, {0.0, 1.1}, {std::nan(""), 1.0}})
    EXPECT_ERROR(led.text_to_image(quick({{stripes(64, 64), 1.f, start, stop}})), invalid_argument, "controls[0] goes from");
}

TEST(ControlNet, RefusesFoldersThatAreNoneOrForAnotherModel) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  EXPECT_ERROR(pipeline.with_controlnets({"/no/such/folder"}), not_found, "/no/such/folder", "config.json");
  EXPECT_ERROR(pipeline.with_controlnets({test_checkpoint("tiny-sd15") + "/unet"}), unsupported, "UNet2DConditionModel");
  const TemporaryFolder folder;
  const auto changed = [&](const Json& changes) {
    std::filesystem::copy(kControlNet, folder.path("net"),
                          std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
    Json config = read_json(folder.path("net/config.json"));
    config.update(changes);
    folder.write("net/config.json", config.dump());
    return pipeline.with_controlnets({folder.path("net")});
  };
  EXPECT_ERROR(changed({{"cross_attention_dim", 40}}), bad_file, "made for another model", "cross_attention_dim", "40");
  EXPECT_ERROR(changed({{"block_out_channels", {8, 16, 24, 32}}}), bad_file, "made for another model", "block_out_channels", "32");
  EXPECT_ERROR(changed({{"layers_per_block", 1}}), bad_file, "made for another model", "layers_per_block");
  EXPECT_ERROR(changed({{"conditioning_embedding_out_channels", {4, 8, 16}}}), unsupported, "1/4");
  EXPECT_ERROR(changed({{"conditioning_embedding_out_channels", {4, 8, 16, 20}}}), bad_file, "controlnet_cond_embedding");
  EXPECT_ERROR(changed({{"controlnet_conditioning_channel_order", "bgr"}}), unsupported, "channel_order");
  std::filesystem::copy_file(kControlNet + "/config.json", folder.path("net/config.json"), std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(folder.path("net/diffusion_pytorch_model.safetensors"));
  EXPECT_ERROR(pipeline.with_controlnets({folder.path("net")}), not_found, "diffusion_pytorch_model");
}

}  // namespace
}  // namespace impasto::test
