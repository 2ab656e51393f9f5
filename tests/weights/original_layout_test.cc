#include "weights/original_layout.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"

namespace impasto {
namespace {

using test::make_safetensors;
using test::record;

/// A file of bytes 0, 1, 2, ...: each tensor [6], one after the other.
class OriginalLayout : public ::testing::Test {
 protected:
  std::shared_ptr<const WeightReader> file(const std::vector<std::string>& names) const {
    std::string header = "{\"__metadata__\":{\"format\":\"pt\",\"long\":\"" + std::string(70000, 'x') + "\"}", data;
    for (const std::string& name : names) {
      header += "," + record(name, "U8", "[6]", data.size(), data.size() + 6);
      for (int i = 0; i < 6; ++i) data += static_cast<char>(data.size());
    }
    return open_weights_file(folder_.write("model.ckpt", make_safetensors(header + "}", data)));
  }
  test::TemporaryFolder folder_;
};

std::vector<std::string> names_of(const NameMap& map) {
  std::vector<std::string> names;
  for (const auto& [name, source] : map) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

TEST_F(OriginalLayout, CountsTheUnetsBlocksByTheirSamplers) {  // one resnet to a block, attention in the second
  const std::string root = "model.diffusion_model.";
  const auto map =
      find_networks(
          *file({root + "input_blocks.0.0.weight", root + "input_blocks.1.0.in_layers.0.weight", root + "input_blocks.2.0.op.weight",
                 root + "input_blocks.3.0.in_layers.2.weight", root + "input_blocks.3.1.proj_in.weight", root + "middle_block.1.norm.weight",
                 root + "middle_block.2.out_layers.3.weight", root + "output_blocks.0.0.skip_connection.weight",
                 root + "output_blocks.1.0.emb_layers.1.weight", root + "output_blocks.1.1.norm.weight", root + "output_blocks.1.2.conv.weight",
                 root + "output_blocks.2.0.out_layers.0.weight", root + "time_embed.2.weight", root + "out.2.weight",
                 root + "input_blocks.1.0.unknown.weight", root + "input_blocks.01.0.in_layers.0.weight", root + "input_blocks.x", root + "other"}))
          .unet;
  EXPECT_EQ(names_of(map),
            (Names{"conv_in.weight", "conv_out.weight", "down_blocks.0.downsamplers.0.conv.weight", "down_blocks.0.resnets.0.norm1.weight",
                   "down_blocks.1.attentions.0.proj_in.weight", "down_blocks.1.resnets.0.conv1.weight", "mid_block.attentions.0.norm.weight",
                   "mid_block.resnets.1.conv2.weight", "time_embedding.linear_2.weight", "up_blocks.0.attentions.1.norm.weight",
                   "up_blocks.0.resnets.0.conv_shortcut.weight", "up_blocks.0.resnets.1.time_emb_proj.weight", "up_blocks.0.upsamplers.0.conv.weight",
                   "up_blocks.1.resnets.0.norm2.weight"}));
}

TEST_F(OriginalLayout, CountsTheDecodersLevelsFromTheDeepest) {
  const auto map = find_networks(*file({"first_stage_model.decoder.conv_in.weight", "first_stage_model.decoder.up.2.block.0.nin_shortcut.bias",
                                        "first_stage_model.decoder.up.0.upsample.conv.bias", "first_stage_model.encoder.down.1.downsample.conv.bias",
                                        "first_stage_model.encoder.mid.attn_1.proj_out.bias", "first_stage_model.loss.logvar",
                                        "first_stage_model.quant_conv.bias"}))
                       .vae;
  EXPECT_EQ(names_of(map),
            (Names{"decoder.conv_in.weight", "decoder.up_blocks.0.resnets.0.conv_shortcut.bias", "decoder.up_blocks.2.upsamplers.0.conv.bias",
                   "encoder.down_blocks.1.downsamplers.0.conv.bias", "encoder.mid_block.attentions.0.to_out.0.bias", "quant_conv.bias"}));
}

TEST_F(OriginalLayout, TakesFusedProjectionsApartAndLeavesOutLayers) {
  const std::string layers = "cond_stage_model.model.transformer.resblocks.";
  const auto source = file({"cond_stage_model.model.token_embedding.weight", layers + "0.attn.in_proj_bias", layers + "0.ln_2.bias",
                            layers + "1.attn.in_proj_bias", "cond_stage_model.model.text_projection"});
  FileNetworks networks = find_networks(*source);
  keep_layers(networks.text_encoder, 1);
  EXPECT_TRUE(networks.open_clip);
  const auto text = renamed_weights(source, networks.text_encoder);
  EXPECT_EQ(text->names(), (Names{"embeddings.token_embedding.weight", "encoder.layers.0.layer_norm2.bias", "encoder.layers.0.self_attn.k_proj.bias",
                                  "encoder.layers.0.self_attn.q_proj.bias", "encoder.layers.0.self_attn.v_proj.bias"}));
  int first = 6;  // of the second tensor
  for (const char* input : {"q", "k", "v"}) {
    const std::string name = std::string("encoder.layers.0.self_attn.") + input + "_proj.bias";
    EXPECT_EQ(text->describe(name)->shape, (Shape{2}));
    const TensorView view = text->find(name);
    EXPECT_EQ(view.shape, (Shape{2}));
    EXPECT_EQ(view.as<std::uint8_t>()[0], first);
    std::uint8_t read[2] = {};
    text->read(name, read);
    EXPECT_EQ(read[0], first);
    EXPECT_EQ(read[1], first + 1);
    first += 2;
  }
}

TEST_F(OriginalLayout, FusedTensorsDivideOrAreRefused) {
  const auto source = file({"a"});
  const auto parts = renamed_weights(source, {{"b", {"a", 0, 4}}});
  EXPECT_ERROR(parts->describe("b"), bad_file, "\"a\" has shape [6]", "4 parts");
  EXPECT_ERROR(parts->find("b"), bad_file, "4 parts");
}

TEST_F(OriginalLayout, MetadataAreKeptUnlessTheyAreLong) {
  const std::map<std::string, std::string> expected{{"format", "pt"}};
  const auto source = file({"a"});
  EXPECT_EQ(source->metadata(), expected);
  EXPECT_EQ(copied_weights(*source)->metadata(), expected);
  EXPECT_EQ(renamed_weights(source, {})->metadata(), expected);
}

TEST_F(OriginalLayout, TypesThatNobodyComputesWithAreRefusedWhenTheyAreAskedFor) {
  const std::string header = "{" + record("a", "F8_E4M3", "[1]", 0, 1) + "," + record("b", "U8", "[1]", 1, 2) + "}";
  const auto source = open_weights_file(folder_.write("w", make_safetensors(header, "ab")));
  const auto copy = copied_weights(*source);
  EXPECT_EQ(copy->names(), Names{"b"});
  EXPECT_EQ(*copy->find("b").as<char>(), 'b');
  EXPECT_ERROR(copy->find("a"), unsupported, "\"a\" has dtype F8_E4M3");
}

}  // namespace
}  // namespace impasto
