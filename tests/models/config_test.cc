#include "models/clip_text.h"
#include "models/registry.h"
#include "models/unet.h"
#include "models/vae.h"

#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

JsonObject object(const std::string& text) { return {Json::parse(text), "config.json"}; }

TEST(UNetConfig, ReadsLevelsFromListsAndFromSingleNumbers) {
  const UNetConfig c = UNetConfig::parse(object(R"({"block_out_channels": [32, 64], "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
      "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "attention_head_dim": [2, 4], "layers_per_block": 1, "cross_attention_dim": 16})"));
  ASSERT_EQ(c.levels.size(), 2u);
  EXPECT_EQ(c.levels[0].heads, 2);
  EXPECT_EQ(c.levels[1].heads, 4);
  EXPECT_EQ(c.levels[0].resnets, 1);
  EXPECT_TRUE(c.levels[0].down_attention);
  EXPECT_TRUE(c.levels[0].up_attention);
  EXPECT_FALSE(c.levels[1].down_attention);
  EXPECT_FALSE(c.levels[1].up_attention);
  EXPECT_EQ(c.context_channels, 16);
  EXPECT_EQ(c.time_channels(), 128);
}

TEST(UNetConfig, DefaultsAreStableDiffusion1) {
  const UNetConfig c = UNetConfig::parse(object("{}"));
  ASSERT_EQ(c.levels.size(), 4u);
  EXPECT_EQ(c.levels[3].channels, 1280);
  EXPECT_EQ(c.groups, 32);
}

TEST(UNetConfig, NamesTheFieldThatIsOff) {
  EXPECT_ERROR(UNetConfig::parse(object(R"({"layers_per_block": 0})")), bad_file, "layers_per_block");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"layers_per_block": -1})")), bad_file, "layers_per_block");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"layers_per_block": 2147483648})")), bad_file, "layers_per_block");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"transformer_layers_per_block": [1, 2]})")), bad_file, "transformer_layers_per_block", "4 levels");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"block_out_channels": []})")), bad_file, "block_out_channels");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"block_out_channels": [320, 640]})")), bad_file, "down_block_types");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"block_out_channels": [320, 640, 1280, 1281]})")), bad_file, "1281", "32 groups");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"attention_head_dim": 7})")), bad_file, "7 heads");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"in_channels": "four"})")), bad_file, "in_channels");
}

TEST(Configs, NumbersThatWouldDrawNothingAreRefused) {
  for (const char* eps : {"0", "-1", "2147483648", "1e308", "1.5"}) {
    const std::string where = std::string("expected a number from 1e-12 to 1, found ");
    EXPECT_ERROR(UNetConfig::parse(object(std::string(R"({"norm_eps": )") + eps + "}")), bad_file, "field norm_eps", where);
    EXPECT_ERROR(ClipTextConfig::parse(object(std::string(R"({"layer_norm_eps": )") + eps + "}")), bad_file, "field layer_norm_eps", where);
  }
  for (const char* factor : {"0", "-1", "2147483648", "1e308"}) {
    const std::string numbers = std::string(R"("scaling_factor": )") + factor + "}";
    EXPECT_ERROR(VaeConfig::parse(object("{" + numbers)), bad_file, "field scaling_factor: expected a number from 0.001 to 1000");
    EXPECT_ERROR(VaeConfig::parse(object(R"({"_class_name": "AutoencoderTiny", )" + numbers)), bad_file, "field scaling_factor");
  }
  EXPECT_EQ(UNetConfig::parse(object(R"({"norm_eps": 1e-6})")).norm_eps, 1e-6f);
}

TEST(UNetConfig, RefusesOtherArchitecturesByName) {
  EXPECT_ERROR(UNetConfig::parse(object(R"({"addition_embed_type": "image"})")), unsupported, "addition_embed_type", "image");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"down_block_types": ["AttnDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]})")), unsupported,
               "AttnDownBlock2D");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"act_fn": "gelu"})")), unsupported, "act_fn");
  EXPECT_ERROR(UNetConfig::parse(object(R"({"only_cross_attention": true})")), unsupported, "only_cross_attention");
}

TEST(UNetConfig, ReadsWhatIsAddedToTheTimestep) {
  EXPECT_EQ(UNetConfig::parse(object("{}")).added_channels, 0);
  const UNetConfig c = UNetConfig::parse(
      object(R"({"addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816})"));
  EXPECT_EQ(c.added_channels, 2816);
  EXPECT_EQ(c.added_id_channels, 256);
  EXPECT_ERROR(UNetConfig::parse(object(R"({"addition_embed_type": "text_time", "addition_time_embed_dim": 5})")), bad_file,
               "addition_time_embed_dim");
}

TEST(UNetConfig, ReadsHowTheGuidanceScaleIsSaid) {
  EXPECT_EQ(UNetConfig::parse(object(R"({"time_cond_proj_dim": null})")).guidance_channels, 0);
  const UNetConfig c = UNetConfig::parse(object(R"({"time_cond_proj_dim": 256})"));
  EXPECT_EQ(c.guidance_channels, 256);
  EXPECT_FALSE(c.guided_at(8));
  EXPECT_TRUE(UNetConfig::parse(object("{}")).guided_at(8));
  EXPECT_ERROR(UNetConfig::parse(object(R"({"time_cond_proj_dim": 0})")), bad_file, "time_cond_proj_dim");
}

TEST(VaeConfig, NamesTheFieldThatIsOff) {
  EXPECT_ERROR(VaeConfig::parse(object(R"({"up_block_types": ["AttnUpDecoderBlock2D"]})")), unsupported, "up_block_types");
  EXPECT_ERROR(VaeConfig::parse(object(R"({"scaling_factor": 0})")), bad_file, "scaling_factor");
  EXPECT_ERROR(VaeConfig::parse(object(R"({"block_out_channels": [30]})")), bad_file, "30 channels");
  EXPECT_ERROR(VaeConfig::parse(object(R"({"latents_mean": [0, 0, 0, 0]})")), unsupported, "latents_mean");
}

TEST(ClipTextConfig, NamesTheFieldThatIsOff) {
  EXPECT_ERROR(ClipTextConfig::parse(object(R"({"hidden_act": "relu"})")), unsupported, "hidden_act", "relu");
  EXPECT_ERROR(ClipTextConfig::parse(object(R"({"hidden_size": 100, "num_attention_heads": 7})")), bad_file, "7 heads");
  EXPECT_ERROR(ClipTextConfig::parse(object(R"({"num_hidden_layers": 1e9})")), bad_file, "num_hidden_layers");
}

TEST(Configs, MessagesAreShortPrintableAscii) {
  const std::string odd = R"(\u001b[31m\n\u202e)" + std::string(5000, 'x');
  const auto message_of = [](const auto& parse) -> std::string {
    try {
      parse();
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  const auto with = [&](const char* key, const std::string& value) { return object("{\"" + std::string(key) + "\": " + value + "}"); };
  const std::string text = "\"" + odd + "\"", texts = "[" + text + "," + text + "," + text + "," + text + "]";
  for (const std::string& message :
       {message_of([&] { UNetConfig::parse(with("act_fn", text)); }), message_of([&] { UNetConfig::parse(with("down_block_types", texts)); }),
        message_of([&] { VaeConfig::parse(with("up_block_types", texts)); }), message_of([&] { ClipTextConfig::parse(with("hidden_act", text)); }),
        message_of([&] { model_entry("unet", Json::parse(text).get<std::string>()); })}) {
    EXPECT_FALSE(message.empty());
    EXPECT_LT(message.size(), 500u);
    for (const char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << static_cast<int>(c);
  }
}

TEST(ModelRegistry, ListsWhatItSupportsWhenItRefuses) {
  EXPECT_EQ(model_entry("unet", "UNet2DConditionModel").weights_stem, "diffusion_pytorch_model");
  EXPECT_ERROR(model_entry("unet", "SD3Transformer2DModel"), unsupported, "SD3Transformer2DModel", "UNet2DConditionModel");
}

}  // namespace
}  // namespace impasto::test
