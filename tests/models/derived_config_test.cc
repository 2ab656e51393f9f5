// Configs derived from the shapes of published models say what the published configs say.
#include "models/derived_config.h"

#include <gtest/gtest.h>

#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "support/expect_error.h"
#include "weights/reader.h"

namespace impasto {
namespace {

/// Tensors that have shapes and nothing else.
class ShapesOnly : public WeightReader {
 public:
  void add(const std::string& name, Shape shape) { shapes_[name] = shape; }

  std::string where() const override { return "file"; }
  std::string format() const override { return "shapes"; }
  std::vector<std::string> names() const override { return {}; }
  std::optional<TensorInfo> describe(std::string_view name) const override {
    const auto place = shapes_.find(name);
    return place == shapes_.end() ? std::nullopt : std::optional(TensorInfo{DType::float16, place->second});
  }
  TensorView find(std::string_view) const override { return {}; }

 private:
  std::map<std::string, Shape, std::less<>> shapes_;
};

std::string dotted(const std::string& a, std::size_t i, const std::string& b) { return a + std::to_string(i) + b; }

ShapesOnly unet(std::int64_t context, bool linear, std::int64_t in_channels = 4, std::vector<std::int64_t> channels = {320, 640, 1280, 1280}) {
  ShapesOnly s;
  s.add("conv_in.weight", {channels[0], in_channels, 3, 3});
  s.add("conv_out.weight", {4, channels[0], 3, 3});
  for (std::size_t i = 0; i < channels.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j)
      s.add(dotted(dotted("down_blocks.", i, ".resnets."), j, ".conv1.weight"), {channels[i], channels[i > 0 && j == 0 ? i - 1 : i], 3, 3});
    if (i + 1 == channels.size()) continue;
    const std::string attention = dotted("down_blocks.", i, ".attentions.0.");
    s.add(attention + "norm.weight", {channels[i]});
    s.add(attention + "transformer_blocks.0.norm1.weight", {channels[i]});
    s.add(attention + "transformer_blocks.0.attn2.to_k.weight", {channels[i], context});
    s.add(dotted("up_blocks.", i + 1, ".attentions.0.norm.weight"), {channels[channels.size() - 2 - i]});
  }
  const std::int64_t c = channels.back();
  s.add("mid_block.attentions.0.proj_in.weight", linear ? Shape{c, c} : Shape{c, c, 1, 1});
  s.add("mid_block.attentions.0.transformer_blocks.0.norm1.weight", {c});
  return s;
}

std::vector<int> heads(const UNetConfig& config) {
  std::vector<int> all;
  for (const UNetLevel& level : config.levels) all.push_back(level.heads);
  return all;
}

TEST(DerivedConfig, UnetOfTheFirstFamilyHasEightHeads) {
  const JsonObject config = derived_unet_config(unet(768, /*linear=*/false));
  const UNetConfig parsed = UNetConfig::parse(config);
  EXPECT_EQ(heads(parsed), (std::vector<int>{8, 8, 8, 8}));
  EXPECT_EQ(parsed.in_channels, 4);
  EXPECT_EQ(parsed.context_channels, 768);
  EXPECT_EQ(parsed.groups, 32);
  EXPECT_EQ(parsed.sample_size, 64);
  ASSERT_EQ(parsed.levels.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(parsed.levels[i].resnets, 2);
    EXPECT_EQ(parsed.levels[i].transformer_layers, 1);
    EXPECT_EQ(parsed.levels[i].down_attention, i < 3);
    EXPECT_EQ(parsed.levels[i].up_attention, i < 3);
  }
  EXPECT_FALSE(config.boolean("use_linear_projection", true));
}

TEST(DerivedConfig, UnetThatIsToldTheGuidanceScaleIsSeen) {
  ShapesOnly shapes = unet(768, false);
  EXPECT_EQ(UNetConfig::parse(derived_unet_config(shapes)).guidance_channels, 0);
  shapes.add("time_embedding.cond_proj.weight", {320, 256});
  EXPECT_EQ(UNetConfig::parse(derived_unet_config(shapes)).guidance_channels, 256);
}

TEST(DerivedConfig, UnetOfTheSecondFamilyHas64ColumnsAHead) {
  const JsonObject config = derived_unet_config(unet(1024, /*linear=*/true, 9));
  EXPECT_EQ(heads(UNetConfig::parse(config)), (std::vector<int>{5, 10, 20, 20}));
  EXPECT_EQ(UNetConfig::parse(config).in_channels, 9);
  EXPECT_TRUE(config.boolean("use_linear_projection", false));
}

TEST(DerivedConfig, RefusesChannelsThatNoPublishedModelHas) {
  EXPECT_ERROR(derived_unet_config(unet(768, false, 4, {48, 96})), unsupported, "UNet has 48 channels", "--config DIR",
               "for a part of a model, put its config.json beside it");
  EXPECT_ERROR(derived_unet_config(unet(1024, true, 4, {96, 192})), unsupported, "UNet has 96 channels", "--config");
  EXPECT_ERROR(derived_unet_config(ShapesOnly()), bad_file, "conv_in.weight", "missing");
}

/// SDXL's UNets: transformer layers of each level, 0 for none.
ShapesOnly xl_unet(const std::vector<std::int64_t>& channels, const std::vector<std::size_t>& layers, std::size_t middle, std::int64_t context,
                   std::int64_t added) {
  ShapesOnly s;
  s.add("conv_in.weight", {channels[0], 4, 3, 3});
  s.add("conv_out.weight", {4, channels[0], 3, 3});
  s.add("add_embedding.linear_1.weight", {4 * channels[0], added});
  const auto attend = [&](const std::string& attention, std::size_t count, std::int64_t c) {
    s.add(attention + "norm.weight", {c});
    s.add(attention + "proj_in.weight", {c, c});
    for (std::size_t k = 0; k < count; ++k) {
      s.add(dotted(attention + "transformer_blocks.", k, ".norm1.weight"), {c});
      s.add(dotted(attention + "transformer_blocks.", k, ".attn2.to_k.weight"), {c, context});
    }
  };
  for (std::size_t i = 0; i < channels.size(); ++i) {
    for (std::size_t j = 0; j < 2; ++j) s.add(dotted(dotted("down_blocks.", i, ".resnets."), j, ".conv1.weight"), {channels[i], channels[i], 3, 3});
    if (layers[i] == 0) continue;
    attend(dotted("down_blocks.", i, ".attentions.0."), layers[i], channels[i]);
    attend(dotted("up_blocks.", channels.size() - 1 - i, ".attentions.0."), layers[i], channels[i]);
  }
  attend("mid_block.attentions.0.", middle, channels.back());
  return s;
}

TEST(DerivedConfig, UnetsOfTheXlKindAreThePublishedOnes) {
  const UNetConfig base = UNetConfig::parse(derived_unet_config(xl_unet({320, 640, 1280}, {0, 2, 10}, 10, 2048, 2816)));
  EXPECT_EQ(heads(base), (std::vector<int>{5, 10, 20}));
  EXPECT_EQ(base.context_channels, 2048);
  EXPECT_EQ(base.added_channels, 2816);
  EXPECT_EQ(base.added_id_channels, 256);
  EXPECT_EQ(base.sample_size, 128);
  EXPECT_FALSE(base.levels[0].down_attention || base.levels[0].up_attention);
  EXPECT_EQ(base.levels[1].transformer_layers, 2);
  EXPECT_EQ(base.levels[2].transformer_layers, 10);
  const UNetConfig refiner = UNetConfig::parse(derived_unet_config(xl_unet({384, 768, 1536, 1536}, {0, 4, 4, 0}, 4, 1280, 2560)));
  EXPECT_EQ(heads(refiner), (std::vector<int>{6, 12, 24, 24}));
  EXPECT_FALSE(refiner.levels[3].down_attention || refiner.levels[3].up_attention);
  EXPECT_EQ(refiner.levels[3].transformer_layers, 4) << "of the middle";
}

ShapesOnly vae() {
  ShapesOnly s;
  const std::vector<std::int64_t> channels{128, 256, 512, 512};
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 2; ++j) s.add(dotted(dotted("encoder.down_blocks.", i, ".resnets."), j, ".conv1.weight"), {channels[i], 128, 3, 3});
  s.add("encoder.conv_in.weight", {128, 3, 3, 3});
  s.add("decoder.conv_in.weight", {512, 4, 3, 3});
  s.add("decoder.conv_out.weight", {3, 128, 3, 3});
  s.add("post_quant_conv.weight", {4, 4, 1, 1});
  return s;
}

TEST(DerivedConfig, VaeIsThePublishedOne) {
  const VaeConfig parsed = VaeConfig::parse(derived_vae_config(vae()));
  EXPECT_EQ(parsed.channels, (std::vector<std::int64_t>{128, 256, 512, 512}));
  EXPECT_EQ(parsed.resnets, 2);
  EXPECT_EQ(parsed.latent_channels, 4);
  EXPECT_EQ(parsed.out_channels, 3);
  EXPECT_EQ(parsed.scaling_factor, 0.18215);
  EXPECT_TRUE(parsed.post_quant_conv);
  EXPECT_FALSE(parsed.quant_conv);
  EXPECT_EQ(VaeConfig::parse(derived_vae_config(vae(), /*xl=*/true)).scaling_factor, 0.13025);
}

ShapesOnly text(std::int64_t width, int layers) {
  ShapesOnly s;
  s.add("embeddings.token_embedding.weight", {49408, width});
  s.add("embeddings.position_embedding.weight", {77, width});
  for (int i = 0; i < layers; ++i) s.add(dotted("encoder.layers.", static_cast<std::size_t>(i), ".layer_norm1.weight"), {width});
  s.add("encoder.layers.0.mlp.fc1.weight", {4 * width, width});
  return s;
}

TEST(DerivedConfig, TextEncodersAreThePublishedOnes) {
  const ClipTextConfig first = ClipTextConfig::parse(derived_text_encoder_config(text(768, 12), /*open_clip=*/false));
  EXPECT_EQ(first.heads, 12);
  EXPECT_EQ(first.layers, 12);
  EXPECT_EQ(first.intermediate_size, 3072);
  EXPECT_EQ(first.vocabulary_size, 49408);
  EXPECT_EQ(first.max_positions, 77);
  EXPECT_EQ(first.activation, Activation::quick_gelu);
  for (const bool open_clip : {false, true}) {  // the second family's was saved under both namings
    const ClipTextConfig second = ClipTextConfig::parse(derived_text_encoder_config(text(1024, 23), open_clip));
    EXPECT_EQ(second.heads, 16);
    EXPECT_EQ(second.layers, 23);
    EXPECT_EQ(second.activation, Activation::gelu);
  }
  ShapesOnly projecting = text(1280, 32);  // SDXL's second
  projecting.add("text_projection.weight", {1280, 1280});
  const ClipTextConfig last = ClipTextConfig::parse(derived_text_encoder_config(projecting, /*open_clip=*/true));
  EXPECT_EQ(last.heads, 20);
  EXPECT_EQ(last.layers, 32);
  EXPECT_EQ(last.projection_size, 1280);
  EXPECT_EQ(last.activation, Activation::gelu);
  // Published files have one more; diffusers' own script writes files without it.
  EXPECT_EQ(ClipTextConfig::parse(derived_text_encoder_config(text(1024, 24), /*open_clip=*/true)).layers, 23);
}

}  // namespace
}  // namespace impasto
