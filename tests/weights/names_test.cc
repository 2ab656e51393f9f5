#include "weights/names.h"

#include <gtest/gtest.h>

namespace impasto {
namespace {

using Names = std::vector<std::string>;

TEST(Names, TextEncoderMayHaveItsPrefix) {
  for (const std::string name : {"embeddings.token_embedding.weight", "encoder.layers.11.self_attn.q_proj.bias", "final_layer_norm.weight"})
    EXPECT_EQ(published_names(name), (Names{name, "text_model." + name}));
}

TEST(Names, AttentionOfTheVaesMiddleBlockHadOtherNames) {
  for (const std::string root : {"encoder", "decoder"})
    for (const std::string leaf : {".weight", ".bias"}) {
      const std::string path = root + ".mid_block.attentions.0.";
      EXPECT_EQ(published_names(path + "to_q" + leaf), (Names{path + "to_q" + leaf, path + "query" + leaf}));
      EXPECT_EQ(published_names(path + "to_k" + leaf), (Names{path + "to_k" + leaf, path + "key" + leaf}));
      EXPECT_EQ(published_names(path + "to_v" + leaf), (Names{path + "to_v" + leaf, path + "value" + leaf}));
      EXPECT_EQ(published_names(path + "to_out.0" + leaf), (Names{path + "to_out.0" + leaf, path + "proj_attn" + leaf}));
    }
}

TEST(Names, OthersAreTheirOwn) {
  for (const std::string name :
       {"mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight", "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0.bias",
        "encoder.mid_block.attentions.0.group_norm.weight", "decoder.mid_block.resnets.0.conv1.weight", "encoder.conv_in.weight", "conv_in.weight",
        "text_projection.weight", "encoder.mid_block.attentions.0", "encoder.mid_block.attentions.0.to_q", "encoder.mid_block.attentions.", ""})
    EXPECT_EQ(published_names(name), Names{name});
}

}  // namespace
}  // namespace impasto
