// Pipelines that take pictures as prompts, against diffusers.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "impasto/ip_adapter.h"
#include "impasto/picture_components.h"
#include "models/image_encoder.h"
#include "pipelines/clip_pixels.h"
#include "support/expect_error.h"
#include "support/networks.h"
#include "support/pipeline_cases.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"

namespace impasto::test {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = IMPASTO_TEST_DATA "/ip_adapters", kPlain = kFolder + "/plain.safetensors", kPlus = kFolder + "/plus.safetensors";
const std::string kEncoder = kFolder + "/image_encoder";

Image stripes(int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = i / 30 % 2 == 0 ? 255 : 0;
  return image;
}

TextToImageOptions quick(std::vector<IpAdapterImage> images) {
  TextToImageOptions o;
  o.prompt = "a red boat", o.seed = 4, o.num_inference_steps = 3, o.height = o.width = 64, o.ip_adapter_images = std::move(images);
  return o;
}

Pipeline tiny(const std::vector<IpAdapterFile>& files = {{kPlain}}) { return Pipeline::load(test_checkpoint("tiny-sd15")).with_ip_adapters(files); }

std::vector<IpAdapterImage> images_of(const GoldenCase& golden) {
  std::vector<IpAdapterImage> all;
  for (const Json& adapter : golden.settings().at("ip_adapters")) {
    IpAdapterImage& image = all.emplace_back();
    image.scale = adapter.at("scale");
    for (int k = 0; k < adapter.at("pictures").get<int>(); ++k) image.images.push_back(image_of(golden, concat("ip_", all.size() - 1, '_', k)));
    if (!image.images.empty()) continue;
    const Shape shape = golden.shape("embeds");
    image.embeds = HostTensor{{shape.begin(), shape.end()}, golden.floats("embeds")};
  }
  return all;
}

Pipeline pipeline_of(const GoldenCase& golden) {
  std::vector<IpAdapterFile> files;
  for (const Json& adapter : golden.settings().at("ip_adapters"))
    files.push_back({kFolder + '/' + adapter.at("file").get<std::string>() + ".safetensors"});
  const Pipeline pipeline = Pipeline::load(golden.checkpoint()).with_ip_adapters(files);
  return golden.has("control_0") ? pipeline.with_controlnets({IMPASTO_TEST_DATA "/adapters/controlnet"}) : pipeline;
}

TEST(IpAdapter, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("ip_adapter")) {
    if (!golden.settings().contains("ip_adapters")) continue;
    SCOPED_TRACE(golden.name());
    auto options = options_of<InpaintOptions>(golden);
    options.ip_adapter_images = images_of(golden);
    const Pipeline pipeline = pipeline_of(golden);
    ++cases;
    if (golden.has("control_0")) options.controls = {{image_of(golden, "control_0"), 0.8f}};
    if (!golden.has("image")) {
      expect_result(golden, pipeline.text_to_image(options));
      continue;
    }
    options.image = image_of(golden, "image"), options.strength = setting(golden, "strength", 1.0), options.keep_unmasked = false;
    if (golden.has("mask_image")) options.mask_image = image_of(golden, "mask_image");
    expect_result(golden, golden.has("mask_image") ? pipeline.inpaint(options) : pipeline.image_to_image(options));
  }
  EXPECT_EQ(cases, 13);
}

class ImageEncoderGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(ImageEncoderGolden, SeesWhatTransformersSees) {
  const ImageEncoder encoder(ImageEncoder::parse({read_json(kEncoder + "/config.json"), "config.json"}), open_weights(kEncoder, "model"),
                             backend_for(GetParam()));
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("ip_adapter")) {
    if (!golden.has("states")) continue;
    const std::vector<float> pixels = clip_pixels(image_of(golden, "image"), encoder.config().image_size);
    const std::vector<float> embeds = encoder.embed(pixels).to_host(), states = encoder.penultimate_states(pixels).to_host();
    EXPECT_TRUE(golden.matches("embeds", embeds.data(), static_cast<std::int64_t>(embeds.size()), 1e-5));
    EXPECT_TRUE(golden.matches("states", states.data(), static_cast<std::int64_t>(states.size()), 1e-5));
    ++cases;
  }
  EXPECT_EQ(cases, 2);
}

INSTANTIATE_TEST_SUITE_P(Devices, ImageEncoderGolden, ::testing::Values("cpu", "reference"),
                         [](const auto& info) { return std::string(info.param); });

TEST(IpAdapter, OfAPickleIsTheSame) {
  const auto options = quick({{.images = {stripes(50, 40)}}});
  EXPECT_EQ(tiny({{kFolder + "/plain.bin"}}).text_to_image(options).latents.values, tiny().text_to_image(options).latents.values);
}

TEST(IpAdapter, LeavesThePipelineItWasAttachedToAsItWas) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), shown = plain.with_ip_adapters({{kPlain}});
  const auto before = plain.text_to_image(quick({})).latents.values;
  const auto draw = [&](const Image& image, float scale) { return shown.text_to_image(quick({{.images = {image}, .scale = scale}})).latents.values; };
  EXPECT_NE(draw(stripes(50, 40), 1), before);
  EXPECT_NE(draw(stripes(50, 40), 1), draw(stripes(80, 64), 1));
  EXPECT_NE(draw(stripes(50, 40), 1), draw(stripes(50, 40), 0.5f));
  EXPECT_EQ(draw(stripes(50, 40), 0), before);
  EXPECT_EQ(shown.with_ip_adapters({}).text_to_image(quick({})).latents.values, before);
  EXPECT_EQ(plain.text_to_image(quick({})).latents.values, before);
}

TEST(IpAdapter, EmbeddingsAreWhatTheEncoderMakesOfPictures) {
  const Pipeline shown = tiny({{kPlain}, {kPlus}});
  const ImageEncoder encoder(ImageEncoder::parse({read_json(kEncoder + "/config.json"), "config.json"}), open_weights(kEncoder, "model"),
                             backend_for("cpu"));
  const Image image = stripes(50, 40);
  const std::vector<float> pixels = clip_pixels(image, 28), nothing(pixels.size());
  const HostTensor embeds{{1, 24}, encoder.embed(pixels).to_host()}, states{{1, 17, 32}, encoder.penultimate_states(pixels).to_host()};
  const HostTensor no_states{{1, 17, 32}, encoder.penultimate_states(nothing).to_host()};
  const auto expected = shown.text_to_image(quick({{.images = {image}}, {.images = {image}, .scale = 0.5f}})).latents.values;
  const auto draw = [&](const IpAdapterImage& plus) { return shown.text_to_image(quick({{.embeds = embeds}, plus})).latents.values; };
  EXPECT_EQ(draw({.scale = 0.5f, .embeds = states}), expected);
  EXPECT_EQ(draw({.scale = 0.5f, .embeds = states, .negative_embeds = no_states}), expected);
  EXPECT_NE(draw({.scale = 0.5f, .embeds = states, .negative_embeds = states}), expected);
}

TEST(IpAdapter, ImageOfABatchEqualsTheImageDrawnAlone) {
  const Pipeline shown = tiny({{kPlain}, {kPlus}});
  TextToImageOptions options = quick({{.images = {stripes(50, 40)}}, {.images = {stripes(30, 60), stripes(60, 60)}, .scale = -0.5f}});
  options.prompt_syntax = PromptSyntax::a1111;
  for (const char* negative :
       {"blurry", "x ...................................................................................... y"}) {  // and longer than the prompt
    options.negative_prompt = negative;
    for (const int interval : {1, 2}) {
      options.deep_cache_interval = interval, options.num_images = 2, options.seed = 4;
      const auto both = shown.text_to_image(options).images;
      options.num_images = 1, options.seed = 5;
      EXPECT_EQ(shown.text_to_image(options).images.at(0).pixels, both.at(1).pixels) << negative << ' ' << interval;
    }
  }
}

TEST(IpAdapter, WorksBesideAdaptersAndInLowMemory) {
  const std::string lora = IMPASTO_TEST_DATA "/adapters/lora_kohya.safetensors";
  const auto draw = [&](const Pipeline& p) { return p.text_to_image(quick({{.images = {stripes(50, 40)}}})).latents.values; };
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto expected = draw(plain.with_loras({{lora}}).with_ip_adapters({{kPlain}}));
  EXPECT_EQ(draw(plain.with_ip_adapters({{kPlain}}).with_loras({{lora}})), expected);
  for (const LoadOptions& load : {LoadOptions{.low_memory = true}, LoadOptions{.map_weights = true}})
    EXPECT_EQ(draw(Pipeline::load(test_checkpoint("tiny-sd15"), load).with_ip_adapters({{kPlain}}).with_loras({{lora}})), expected);
  EXPECT_NE(draw(plain.with_ip_adapters({{kPlain}})), expected);
  EXPECT_EQ(draw(plain.with_ip_adapters({{kPlain}}).with_device("reference").with_device("cpu").with_loras({{lora}})), expected);
}

TEST(IpAdapter, SecondPassSeesThePictureToo) {
  const Pipeline shown = tiny();
  auto options = quick({{.images = {stripes(50, 40)}}});
  options.hires = Hires{.scale = 1.5, .strength = 0.6};
  const auto with = shown.text_to_image(options).latents.values;
  options.ip_adapter_images[0].scale = 0;
  EXPECT_NE(shown.text_to_image(options).latents.values, with);
}

TEST(IpAdapter, StopsInTheImageEncoder) {
  const Pipeline shown = tiny();
  auto options = quick({{.images = {stripes(50, 40)}}});
  int asked = 0, in_all = 0;
  options.should_stop = [&] { return ++in_all, false; };
  shown.text_to_image(options);
  for (const int when : {1, in_all / 10, in_all - 1}) {
    asked = 0;
    options.should_stop = [&] { return ++asked >= when; };
    EXPECT_ERROR(shown.text_to_image(options), cancelled, "");
  }
}

TEST(IpAdapter, RefusesPicturesThatMeanNothing) {
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15")), shown = plain.with_ip_adapters({{kPlain}}), plus = tiny({{kPlus}});
  const IpAdapterImage image{.images = {stripes(50, 40)}};
  const auto embeds = [](std::vector<std::int64_t> shape) {
    std::int64_t count = 1;
    for (const std::int64_t d : shape) count *= d;
    return HostTensor{shape, std::vector<float>(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), 0.5f)};
  };
  EXPECT_ERROR(shown.text_to_image(quick({})), invalid_argument, "0 entries for 1 IP-Adapters");
  EXPECT_ERROR(plain.text_to_image(quick({image})), invalid_argument, "1 entries for 0 IP-Adapters");
  EXPECT_ERROR(shown.text_to_image(quick({IpAdapterImage{}})), invalid_argument, "ip_adapter_images[0]", "no images");
  EXPECT_ERROR(shown.text_to_image(quick({{.images = {Image{}}}})), invalid_argument, "ip_adapter_images[0]", "0 x 0");
  EXPECT_ERROR(shown.text_to_image(quick({{.images = {stripes(9, 9)}, .scale = std::nanf("")}})), invalid_argument, "ip_adapter_images[0].scale");
  EXPECT_ERROR(shown.text_to_image(quick({{.images = {stripes(9, 9)}, .embeds = embeds({1, 24})}})), invalid_argument, "one of the two");
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{1, 23}, {24}, {1, 1, 24}, {0, 24}, {1, 17, 32}, {-1, -24}, {1, 1, 1, 1, 1, 1, 24}})
    EXPECT_ERROR(shown.text_to_image(quick({{.embeds = embeds(shape)}})), invalid_argument, "ip_adapter_images[0].embeds has shape",
                 "[pictures, 24]");
  EXPECT_ERROR(shown.text_to_image(quick({{.embeds = HostTensor{{2, 24}, std::vector<float>(24)}}})), invalid_argument, "24 values");
  EXPECT_ERROR(plus.text_to_image(quick({{.embeds = embeds({1, 32})}})), invalid_argument, "[pictures, tokens, 32]");
}

TEST(IpAdapter, WithoutAnImageEncoderTakesEmbeddings) {
  const TemporaryFolder folder;
  for (const std::string& file : {kPlain, kPlus}) fs::copy(file, folder.path());
  const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"));
  const Pipeline alone = plain.with_ip_adapters({{folder / "plain.safetensors"}}), plus = plain.with_ip_adapters({{folder / "plus.safetensors"}});
  EXPECT_ERROR(alone.text_to_image(quick({{.images = {stripes(50, 40)}}})), invalid_argument, "no image encoder", "--image-encoder");
  const HostTensor embeds{{1, 24}, std::vector<float>(24, 0.5f)}, states{{1, 3, 32}, std::vector<float>(96, 0.5f)};
  EXPECT_EQ(alone.text_to_image(quick({{.embeds = embeds}})).latents.values, tiny().text_to_image(quick({{.embeds = embeds}})).latents.values);
  EXPECT_ERROR(plus.text_to_image(quick({{.embeds = states}})), invalid_argument, "negative_embeds are missing");
  EXPECT_EQ(plus.text_to_image(quick({{.embeds = states, .negative_embeds = states}})).images.size(), 1u);
}

TEST(IpAdapter, FindsItsImageEncoder) {
  const TemporaryFolder folder;
  const auto options = quick({{.images = {stripes(50, 40)}}});
  const auto expected = tiny().text_to_image(options).latents.values;
  const auto draw = [&](const IpAdapterFile& file, const std::string& model) {
    return Pipeline::load(model).with_ip_adapters({file}).text_to_image(options).latents.values;
  };
  const std::string model = test_checkpoint("tiny-sd15"), file = folder / "sdxl_models/plain.safetensors";
  fs::create_directories(folder / "sdxl_models"), fs::copy(kPlain, file);
  EXPECT_EQ(draw({file, kEncoder}, model), expected);
  EXPECT_EQ(draw({file, kFolder}, model), expected);  // of a whole model
  fs::create_directories(folder / "models");
  fs::copy(kEncoder, folder / "models/image_encoder", fs::copy_options::recursive);
  EXPECT_EQ(draw({file}, model), expected);
  fs::remove_all(folder / "models");
  fs::copy(model, folder / "model", fs::copy_options::recursive), fs::copy(kEncoder, folder / "model/image_encoder", fs::copy_options::recursive);
  EXPECT_EQ(draw({file}, folder / "model"), expected);
}

/// The plain adapter under changed names and with a changed header; an empty name leaves one out.
std::string changed(const TemporaryFolder& folder, const std::function<std::string(const std::string&)>& name) {
  const auto weights = open_weights_file(kPlain);
  std::string header, data;
  for (const std::string& tensor : weights->names()) {
    const TensorView view = weights->find(tensor);
    if (name(tensor).empty()) continue;
    header += (header.empty() ? "{" : ",") + record(name(tensor), "F16", view.shape.to_string(), data.size(), data.size() + view.bytes());
    data.append(view.as<char>(), view.bytes());
  }
  return folder.write("changed.safetensors", make_safetensors(header + "}", data));
}

TEST(IpAdapter, RefusesFilesThatAreNoneOrForAnotherModel) {
  const TemporaryFolder folder;
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  const auto without = [&](const std::string& part) {
    return changed(folder, [part](const std::string& name) { return name.find(part) == std::string::npos ? name : ""; });
  };
  EXPECT_ERROR(pipeline.with_ip_adapters({{kFolder + "/face.safetensors"}}), unsupported, "face.safetensors", "FaceID", "InsightFace");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kFolder + "/plain_xl.safetensors"}}), bad_file, "made for another model", "image_proj",
               "cross_attention_dim");
  EXPECT_ERROR(Pipeline::load(test_checkpoint("tiny-sdxl")).with_ip_adapters({{kPlain}}), bad_file, "made for another model");
  EXPECT_ERROR(pipeline.with_ip_adapters({{IMPASTO_TEST_DATA "/adapters/lora_kohya.safetensors"}}), bad_file, "holds no IP-Adapter");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kPlain + "x"}}), not_found, "plain.safetensorsx");
  EXPECT_ERROR(pipeline.with_ip_adapters({{folder.write("x.safetensors", "no")}}), bad_file, "x.safetensors");
  EXPECT_ERROR(pipeline.with_ip_adapters({{without("ip_adapter.31.")}}), bad_file, "ip_adapter.31.to_k_ip.weight", "16 cross-attentions");
  EXPECT_ERROR(pipeline.with_ip_adapters({{without("ip_adapter.7.to_v_ip")}}), bad_file, "changed.safetensors", "ip_adapter.7.to_v_ip.weight");
  EXPECT_ERROR(pipeline.with_ip_adapters({{without("image_proj.norm.bias")}}), bad_file, "image_proj.norm.bias");
  const auto swapped = [](const std::string& name) {  // widths of 8 and 24 exchanged
    std::string other = name;
    if (name.starts_with("ip_adapter.1.")) other.replace(11, 1, "31");
    if (name.starts_with("ip_adapter.31.")) other.replace(11, 2, "1");
    return other;
  };
  EXPECT_ERROR(pipeline.with_ip_adapters({{changed(folder, swapped)}}), bad_file, "ip_adapter.1.to_k_ip.weight", "[24, 32]", "[8, 32]");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kPlain, kPlain}}), not_found, "plain.safetensors/config.json");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kPlain, folder / "none"}}), not_found, "none");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kPlain, test_checkpoint("tiny-sd15") + "/text_encoder"}}), unsupported, "CLIPTextModel");
}

TEST(IpAdapter, RefusesAnImageEncoderOfAnotherWidth) {
  const TemporaryFolder folder;
  fs::copy(kEncoder, folder / "image_encoder", fs::copy_options::recursive), fs::copy(kPlain, folder / "plain.safetensors");
  std::ifstream stream(kEncoder + "/config.json");
  std::string config{std::istreambuf_iterator<char>(stream), {}};
  config.replace(config.find("\"projection_dim\": 24"), 20, "\"projection_dim\": 48");
  fs::remove(folder / "image_encoder/config.json"), folder.write("image_encoder/config.json", config);
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"));
  EXPECT_ERROR(pipeline.with_ip_adapters({{folder / "plain.safetensors"}}), bad_file, "48 columns", "24", "--image-encoder");
  EXPECT_ERROR(pipeline.with_ip_adapters({{kPlain, folder / "image_encoder"}}), bad_file, "48 columns", "24", "--image-encoder");
  fs::remove(folder / "image_encoder/model.safetensors");
  EXPECT_ERROR(pipeline.with_ip_adapters({{folder / "plain.safetensors"}}), not_found, "image_encoder");
}

std::string unet_config(const std::string& checkpoint) {
  std::ifstream stream(test_checkpoint(checkpoint) + "/unet/config.json");
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(CrossAttentionNames, AreThoseOfTheCheckpoint) {
  for (const char* checkpoint : {"tiny-sd15", "tiny-sd21", "tiny-sdxl"}) {
    const auto weights = component_weights(test_checkpoint(checkpoint), "unet");
    const std::vector<std::string> stored = weights->names(), names = cross_attention_names(unet_config(checkpoint));
    const auto is_one = [](const std::string& name) { return name.ends_with(".attn2.to_q.weight"); };
    EXPECT_EQ(static_cast<std::ptrdiff_t>(names.size()), std::count_if(stored.begin(), stored.end(), is_one));
    for (const std::string& name : names) EXPECT_TRUE(weights->describe(name + ".to_q.weight")) << name;
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end())) << checkpoint;  // down, mid, up, none twice
  }
}

TEST(IpAdapterModel, ShowsAUNetWhatFitsIt) {
  const IpAdapterModel adapter = IpAdapterModel::load_file(kPlain, unet_config("tiny-sd15"));
  EXPECT_FALSE(adapter.takes_states());
  EXPECT_TRUE(IpAdapterModel::load_file(kPlus, unet_config("tiny-sd15")).takes_states());
  EXPECT_ERROR(IpAdapterModel::load_file(kPlain, unet_config("tiny-sdxl")), bad_file, "made for another model");
  const UNetModel unet = UNetModel::load(test_checkpoint("tiny-sd15") + "/unet");
  const std::vector<float> sample(2 * 4 * 8 * 8, 0.5f), states(2 * 7 * 32, 0.1f), embeds(2 * 3 * 24, 0.2f);
  UNetTexts texts({{2, 7, 32}, states.data()});
  const auto forward = [&](int images) { return unet.forward({{images, 4, 8, 8}, sample.data()}, 500, texts).values; };
  const std::vector<float> plain = forward(2);
  texts.pictures = {adapter.show({{2, 3, 24}, embeds.data()}, {1})};
  EXPECT_NE(forward(2), plain);
  texts.encoder_hidden_states.shape = {1, 7, 32};
  EXPECT_ERROR(forward(1), invalid_argument, "for 2 images, sample has 1");
  EXPECT_ERROR(adapter.show({{2, 72}, embeds.data()}, {1}), invalid_argument, "image_embeds has shape [2, 72]", "[n, pictures, 24]");
  EXPECT_ERROR(adapter.show({{2, 3, 24}, embeds.data()}, {1, 1}), invalid_argument, "2 scales for 16 cross-attentions");
}

TEST(InspectIpAdapter, SaysWhatAFileIs) {
  const auto plain = inspect_ip_adapter(kPlain), plus = inspect_ip_adapter(kPlus), full = inspect_ip_adapter(kFolder + "/full.safetensors");
  ASSERT_TRUE(plain && plus && full);
  EXPECT_EQ(plain->kind, "IP-Adapter");
  EXPECT_EQ(plus->kind, "IP-Adapter Plus");
  EXPECT_EQ(full->kind, "IP-Adapter Full Face");
  EXPECT_EQ(plain->cross_attentions, 16);
  EXPECT_EQ(plain->cross_attention_dim, 32);
  EXPECT_EQ(plain->image_channels, 24);
  EXPECT_EQ(plus->image_channels, 32);
  EXPECT_FALSE(inspect_ip_adapter(IMPASTO_TEST_DATA "/adapters/lora_kohya.safetensors"));
  EXPECT_ERROR(inspect_ip_adapter(kFolder + "/face.safetensors"), unsupported, "FaceID");
}

}  // namespace
}  // namespace impasto::test
