#include "adapters/lora_names.h"

#include <gtest/gtest.h>

namespace impasto {
namespace {

constexpr const char* kLayer = "down_blocks_0_attentions_1_transformer_blocks_0_attn2_to_out_0";

void expect_name(const std::string& tensor, AdaptedNetwork network, const std::string& module, const std::string& part) {
  const std::optional<LoraName> name = parse_lora_name(tensor);
  ASSERT_TRUE(name) << tensor;
  EXPECT_EQ(name->network, network) << tensor;
  EXPECT_EQ(name->module, module) << tensor;
  EXPECT_EQ(name->part, part) << tensor;
}

TEST(LoraNames, ReadsKohyasNames) {
  expect_name(std::string("lora_unet_") + kLayer + ".lora_down.weight", AdaptedNetwork::unet, kLayer, "down");
  expect_name(std::string("lora_unet_") + kLayer + ".alpha", AdaptedNetwork::unet, kLayer, "alpha");
  expect_name(std::string("lora_unet_") + kLayer + ".dora_scale", AdaptedNetwork::unet, kLayer, "dora_scale");
  expect_name("lora_te_text_model_encoder_layers_3_mlp_fc1.lora_up.weight", AdaptedNetwork::text_encoder, "encoder_layers_3_mlp_fc1", "up");
  expect_name("lora_te2_text_model_encoder_layers_31_mlp_fc1.alpha", AdaptedNetwork::text_encoder_2, "encoder_layers_31_mlp_fc1", "alpha");
  expect_name("lora_te1_text_model_encoder_layers_3_mlp_fc1.lora_mid.weight", AdaptedNetwork::text_encoder, "encoder_layers_3_mlp_fc1", "mid");
}

TEST(LoraNames, ReadsLycorisParts) {
  for (const char* part : {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2", "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2",
                           "lokr_w2_a", "lokr_w2_b", "lokr_t2", "diff", "diff_b"})
    expect_name(std::string("lora_unet_conv_in.") + part, AdaptedNetwork::unet, "conv_in", part);
}

TEST(LoraNames, ReadsPeftsNames) {
  const std::string layer = "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0";
  for (const std::string before : {"unet.", "base_model.model.", "base_model.model.unet.", ""}) {
    expect_name(before + layer + ".lora_A.weight", AdaptedNetwork::unet, kLayer, "down");
    expect_name(before + layer + ".lora_B.weight", AdaptedNetwork::unet, kLayer, "up");
    expect_name(before + layer + ".lora_magnitude_vector", AdaptedNetwork::unet, kLayer, "magnitude");
  }
  expect_name("text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight", AdaptedNetwork::text_encoder_2,
              "encoder_layers_0_self_attn_q_proj", "down");
  expect_name("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight", AdaptedNetwork::text_encoder,
              "encoder_layers_0_self_attn_q_proj", "down");
}

TEST(LoraNames, ReadsDiffusersFormerNames) {
  const std::string attention = "down_blocks.0.attentions.1.transformer_blocks.0.attn2.";
  for (const std::string before : {"unet.", ""}) {
    expect_name(before + attention + "processor.to_out_lora.up.weight", AdaptedNetwork::unet, kLayer, "up");
    expect_name(before + attention + "to_out.0.lora.down.weight", AdaptedNetwork::unet, kLayer, "down");
  }
  expect_name("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", AdaptedNetwork::text_encoder,
              "encoder_layers_0_self_attn_q_proj", "up");
}

TEST(LoraNames, LeavesOtherNamesAlone) {
  for (const char* name :
       {"", "lora_unet_", "weight", "unet.conv_in.weight", "lora_unet_conv_in.other", "model.diffusion_model.input_blocks.0.0.weight"})
    EXPECT_FALSE(parse_lora_name(name)) << name;
}

TEST(LoraNames, FlattensPaths) {
  EXPECT_EQ(flattened("mid_block.attentions.0.proj_in"), "mid_block_attentions_0_proj_in");
  EXPECT_EQ(flattened("text_model.encoder.layers.1.mlp.fc2"), "encoder_layers_1_mlp_fc2");
  EXPECT_EQ(flattened("encoder.layers.1.mlp.fc2"), "encoder_layers_1_mlp_fc2");
}

}  // namespace
}  // namespace impasto
