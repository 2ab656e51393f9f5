#include <filesystem>

#include "impasto/lora.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/traversal.h"

namespace impasto {
namespace {

TEST(LoraTags, LeaveThePrompt) {
  const TaggedPrompt tagged = take_lora_tags("a castle <lora:ink:0.8>, night<lora:Old paper>");
  EXPECT_EQ(tagged.prompt, "a castle , night");
  ASSERT_EQ(tagged.loras.size(), 2u);
  EXPECT_EQ(tagged.loras[0].name, "ink");
  EXPECT_FLOAT_EQ(tagged.loras[0].scale, 0.8f);
  EXPECT_FALSE(tagged.loras[0].text_encoder_scale);
  EXPECT_EQ(tagged.loras[1].name, "Old paper");
  EXPECT_FLOAT_EQ(tagged.loras[1].scale, 1.0f);
}

TEST(LoraTags, HaveAScaleForEachNetwork) {
  const LoraTag tag = take_lora_tags("<lora:ink:0.5:-1>").loras.at(0);
  EXPECT_FLOAT_EQ(tag.text_encoder_scale.value(), 0.5f);
  EXPECT_FLOAT_EQ(tag.scale, -1.0f);
}

TEST(LoraTags, OtherAngleBracketsStay) {
  for (const char* prompt : {"", "a < b > c", "<hypernet:x:1>", "<lora:open", "<cat-toy> on a shelf"}) {
    EXPECT_EQ(take_lora_tags(prompt).prompt, prompt);
    EXPECT_TRUE(take_lora_tags(prompt).loras.empty());
  }
}

TEST(LoraTags, RefuseScalesThatAreNoNumbers) {
  for (const char* prompt : {"<lora:ink:much>", "<lora:ink:>", "<lora:ink:nan>", "<lora:ink:1:2:3>", "<lora::1>", "<lora:ink:0.5x>"})
    EXPECT_ERROR(take_lora_tags(prompt), invalid_argument, "<lora:NAME:SCALE>");
}

class FindLora : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
};

TEST_F(FindLora, LooksIntoSubfoldersAndPrefersTheExactName) {
  const std::string ink = folder_.write("styles/ink.safetensors", ""), other = folder_.write("INK.safetensors", "");
  EXPECT_EQ(find_lora(folder_.path(), "ink"), ink);
  EXPECT_EQ(find_lora(folder_.path(), "INK"), other);
  std::filesystem::remove(other);
  EXPECT_EQ(find_lora(folder_.path(), "Ink"), ink);
}

TEST_F(FindLora, SaysWhatThereIs) {
  EXPECT_ERROR(find_lora(folder_.path("none"), "ink"), not_found, "none");
  EXPECT_ERROR(find_lora(folder_.path(), "ink"), not_found, "no .safetensors, .pt or .ckpt file");
  folder_.write("pen.safetensors", "");
  folder_.write("ink.txt", "");
  const std::string old = folder_.write("old.pt", "");
  EXPECT_EQ(find_lora(folder_.path(), "old"), old) << "as A1111 does";
  EXPECT_ERROR(find_lora(folder_.path(), "ink"), not_found, "\"ink\"", "pen");
  EXPECT_ERROR(find_lora(folder_.path(), "../pen"), not_found, "pen");
}

TEST_F(FindLora, RefusesAChoiceBetweenTwo) {
  folder_.write("a/ink.safetensors", "");
  folder_.write("b/ink.safetensors", "");
  EXPECT_ERROR(find_lora(folder_.path(), "ink"), invalid_argument, "several", "a/ink", "b/ink", "rename the other");
}

TEST_F(FindLora, NamesNeverLeadOutOfTheFolder) {
  const std::string folder = folder_ / "loras";
  std::filesystem::create_directories(folder + "/sub");
  folder_.write("secret.safetensors", "outside"), folder_.write("loras/ink.safetensors", "inside");
  std::size_t tried = 0;
  for (const std::string target : {"secret", "secret.safetensors", "../loras/../secret"})
    for (const std::string& name : test::traversals(target)) {
      EXPECT_ERROR(find_lora(folder, name), not_found, "there is no LoRA named", "ink");
      ++tried;
    }
  EXPECT_GE(tried, 200u);
}

}  // namespace
}  // namespace impasto
