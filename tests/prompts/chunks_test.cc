#include "prompts/chunks.h"

#include <map>

#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

TEST(Chunks, EqualThoseOfTheReference) {
  std::map<std::string, ClipTokenizer> tokenizers;
  int compared = 0;
  for (const GoldenCase& c : golden_cases("prompts")) {
    const std::string folder = c.checkpoint() + "/tokenizer", text = c.record().at("text");
    const ClipTokenizer& tokenizer = tokenizers.try_emplace(folder, ClipTokenizer::load(folder)).first->second;
    const bool a1111 = c.settings().at("syntax") == "a1111";
    const auto chunks =
        a1111 ? a1111_chunks(PromptTokenizer(tokenizer), parse_a1111(text)) : comfyui_chunks(PromptTokenizer(tokenizer), parse_comfyui(text));
    std::vector<std::int32_t> ids;
    std::vector<float> weights;
    for (const Chunk& chunk : chunks) {
      ids.insert(ids.end(), chunk.ids.begin(), chunk.ids.end());
      weights.insert(weights.end(), chunk.weights.begin(), chunk.weights.end());
    }
    EXPECT_EQ(ids, c.ints("ids")) << c.name();
    const std::vector<float> expected = c.floats("weights");
    ASSERT_EQ(weights.size(), expected.size()) << c.name();
    for (std::size_t i = 0; i < weights.size(); ++i) EXPECT_FLOAT_EQ(weights[i], expected[i]) << c.name() << " token " << i;
    ++compared;
  }
  EXPECT_GE(compared, 19);
}

class ChunksOf : public ::testing::Test {
 protected:
  /// Words of one token each.
  static std::string words(int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += " a";
    return text;
  }
  /// Tokens of each chunk, without start, end and padding.
  std::vector<int> lengths(const std::vector<Chunk>& chunks) const {
    std::vector<int> out;
    for (const Chunk& chunk : chunks) {
      EXPECT_EQ(chunk.ids.size(), 77u);
      EXPECT_EQ(chunk.weights.size(), 77u);
      int n = 0;
      while (chunk.ids.at(static_cast<std::size_t>(n) + 1) != tokenizer_.end_id()) ++n;
      out.push_back(n);
    }
    return out;
  }
  std::vector<int> a1111(const std::string& text) const { return lengths(a1111_chunks(PromptTokenizer(tokenizer_), parse_a1111(text))); }
  std::vector<int> comfyui(const std::string& text) const { return lengths(comfyui_chunks(PromptTokenizer(tokenizer_), parse_comfyui(text))); }

  ClipTokenizer tokenizer_ = ClipTokenizer::load(test_checkpoint("tiny-sd15") + "/tokenizer");
};

using Lengths = std::vector<int>;

TEST_F(ChunksOf, HoldSeventyFiveTokens) {
  for (const auto& [text, lengths] : std::map<std::string, Lengths>{{"", {0}}, {words(75), {75}}, {words(76), {75, 1}}, {words(200), {75, 75, 50}}}) {
    EXPECT_EQ(a1111(text), lengths);
    EXPECT_EQ(comfyui(text), lengths);
  }
}

TEST_F(ChunksOf, A1111EndAfterACommaUpToTwentyTokensBack) {
  EXPECT_EQ(a1111(words(54) + "," + words(30)), (Lengths{75, 10}));  // 21 from the end
  EXPECT_EQ(a1111(words(55) + "," + words(30)), (Lengths{56, 30}));
  EXPECT_EQ(a1111(words(55) + "," + words(19)), Lengths{75}) << "nothing is left over";
  EXPECT_EQ(a1111(words(74) + "," + words(2)), (Lengths{75, 2}));
  EXPECT_EQ(a1111(words(60) + "," + words(14) + "," + words(2)), (Lengths{75, 3})) << "the token without room is a comma itself";
}

TEST_F(ChunksOf, A1111EndAtBreaks) {
  EXPECT_EQ(a1111("a BREAK b"), (Lengths{1, 1}));
  EXPECT_EQ(a1111("BREAK a"), (Lengths{0, 1}));
  EXPECT_EQ(a1111("a BREAK"), Lengths{1});
  EXPECT_EQ(a1111(words(75) + " BREAK a"), (Lengths{75, 1}));
}

TEST_F(ChunksOf, ComfyuiKeepShortPartsWhole) {
  EXPECT_EQ(comfyui(words(70) + "(" + words(7) + ":2)"), (Lengths{70, 7}));
  EXPECT_EQ(comfyui(words(70) + "(" + words(8) + ":2)"), (Lengths{75, 3}));
  EXPECT_EQ(comfyui(words(70) + "(" + words(5) + ":2)"), Lengths{75});
}

TEST_F(ChunksOf, RefuseEndlessPromptsAndAbsurdWeights) {
  EXPECT_EQ(a1111(words(75 * 32)).size(), 32u);
  EXPECT_ERROR(a1111(words(75 * 32 + 1)), invalid_argument, "32 chunks of 75");
  EXPECT_ERROR(comfyui(words(75 * 32 + 1)), invalid_argument, "32 chunks of 75");
  EXPECT_ERROR(a1111("(a:1001)"), invalid_argument, "weight", "1001", "1000");
  EXPECT_ERROR(comfyui("(a:-1e9)"), invalid_argument, "weight");
}

}  // namespace
}  // namespace impasto::test
