#include "adapters/adapted_weights.h"

#include <cmath>

#include "adapters/lora_maker.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

class Adapted : public ::testing::Test {
 protected:
  std::shared_ptr<const LoraFile> lora(const std::map<std::string, test::Values>& tensors) const {
    return std::make_shared<const LoraFile>(LoraFile::open(test::write_lora(folder_, tensors)));
  }
  std::shared_ptr<const WeightReader> adapted(const std::vector<AppliedLora>& adapters) const {
    return adapted_weights(base_, AdaptedNetwork::unet, adapters);
  }

  test::TemporaryFolder folder_;
  std::vector<float> weight_{1, 2, 3, 4}, bias_{5, 6}, gain_{7};
  std::shared_ptr<const WeightReader> base_ = in_memory_weights({{"a.b.weight", {weight_.data(), DType::float32, {2, 2}}},
                                                                 {"a.b.bias", {bias_.data(), DType::float32, {2}}},
                                                                 {"norm.weight", {gain_.data(), DType::float32, {1}}}},
                                                                nullptr);
  const test::Values ones_{{2, 2}, {1, 1, 1, 1}};
};

TEST_F(Adapted, ChangesWhatTheFileNamesAndLeavesTheRest) {
  const auto reader = adapted({{lora({{"unet.a.b.diff", ones_}, {"lora_te_a_b.diff", ones_}}), 2}});
  EXPECT_EQ(reader->names(), base_->names());
  const TensorView changed = reader->find("a.b.weight");
  EXPECT_EQ(std::vector<float>(changed.as(), changed.as() + 4), (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(reader->describe("a.b.weight")->shape, (Shape{2, 2}));
  EXPECT_EQ(reader->find("a.b.bias").data, bias_.data());
  EXPECT_EQ(reader->find("norm.weight").data, gain_.data());
  EXPECT_EQ(weight_, (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(Adapted, AddsSeveralFiles) {
  const auto file = lora({{"lora_unet_a_b.diff", ones_}, {"lora_unet_a_b.diff_b", {{2}, {1, 2}}}});
  const auto reader = adapted({{file, 1}, {file, 0}, {file, -3}});
  EXPECT_EQ(*reader->find("a.b.weight").as(), -1);
  EXPECT_EQ(*reader->find("a.b.bias").as(), 3);
  EXPECT_EQ(adapted({{file, 0}})->find("a.b.weight").data, weight_.data());
}

TEST_F(Adapted, TellsTheModulesThatTheNetworkLacks) {
  const auto file = lora({{"lora_unet_a_b.diff", ones_}, {"lora_unet_c.diff", ones_}, {"lora_te_d.diff", ones_}});
  EXPECT_EQ(unmatched_modules(*file, *base_, AdaptedNetwork::unet), std::vector<std::string>{"unet: c"});
  EXPECT_EQ(unmatched_modules(*file, *base_, AdaptedNetwork::text_encoder), std::vector<std::string>{"text_encoder: d"});
}

TEST_F(Adapted, RefusesFilesThatAreNoneOrSayThingsTwice) {
  EXPECT_ERROR(lora({{"conv_in.weight", ones_}}), bad_file, "not a LoRA", "conv_in.weight", "lora_down");
  EXPECT_ERROR(lora({{"lora_unet_a_b.alpha", ones_}, {"unet.a.b.alpha", ones_}}), bad_file, "says again");
  EXPECT_ERROR(LoraFile::open(folder_.path("none")), not_found, "none");
  EXPECT_ERROR(adapted({{lora({{"lora_unet_norm.diff", {{1}, {1}}}}), 1}}), unsupported, "norm.weight");
}

TEST_F(Adapted, TellsHowManyLayersAFileDoesNotFitAndNamesItsTensors) {
  std::vector<std::pair<std::string, TensorView>> weights;
  std::map<std::string, test::Values> tensors{{"lora_unet_fits.diff", ones_}};
  for (const std::string name : {"fits", "l1", "l2", "l3", "l4"}) {
    weights.push_back({name + ".weight", {weight_.data(), DType::float32, {2, 2}}});
    if (name != "fits") tensors["lora_unet_" + name + ".diff"] = {{3, 1}, {1, 1, 1}};
  }
  base_ = in_memory_weights({weights.begin(), weights.end()}, nullptr);
  EXPECT_ERROR(adapted({{lora(tensors), 1}}), bad_file, "lora.safetensors", "made for another model", "4 of the 5 layers", "the unet",
               "\"lora_unet_l1.diff\" has shape [3, 1], the weight l1.weight [2, 2]", "lora_unet_l3.diff", "and so on");
}

TEST_F(Adapted, NamesTheFileThatHoldsNoNumbers) {
  EXPECT_ERROR(adapted({{lora({{"lora_unet_a_b.diff", {{2, 2}, {1, 1, NAN, 1}}}}), 1}}), bad_file, "lora.safetensors", "NaN", "1 of the 1 layers",
               "lora_unet_a_b.diff");
  weight_[0] = NAN;  // the checkpoint's own fault
  EXPECT_NO_THROW(adapted({{lora({{"unet.a.b.diff", ones_}}), 1}}));
}

}  // namespace
}  // namespace impasto
