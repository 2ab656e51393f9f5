#include "prompts/new_words.h"

#include <gtest/gtest.h>

#include "prompts/chunks.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

using Ids = std::vector<std::int32_t>;

class NewWords : public ::testing::Test {
 protected:
  /// Ids with a new word's in brackets.
  std::string shown(const std::string& text) const {
    std::string out;
    for (const PromptTokenizer::Piece& piece : words_.pieces(text)) {
      out += piece.is_new_word ? "[" : "";
      for (const std::int32_t id : piece.ids) out += piece.is_new_word ? std::to_string(id) + ";" : "x";
      out += piece.is_new_word ? "]" : "";
    }
    return out;
  }
  static std::string words(int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += " a";
    return text;
  }

  const ClipTokenizer tokenizer_ = ClipTokenizer::load(test_checkpoint("tiny-sd15") + "/tokenizer");
  const PromptTokenizer words_{tokenizer_, {{"ink", 5000, 1}, {"<sea-light>", 5001, 3}, {"ink wash", 5004, 2}, {"caf\u00e9", 5006, 1}}};
};

TEST_F(NewWords, AreFoundAsWholeWordsInAnyCase) {
  EXPECT_EQ(shown("ink"), "[5000;]");
  EXPECT_EQ(shown("a INK, (Ink)"), "x[5000;]xx[5000;]x");
  EXPECT_EQ(shown("<sea-light><SEA-light>"), "[5001;5002;5003;][5001;5002;5003;]");
  EXPECT_EQ(shown("cafe\u0301"), "[5006;]") << "composed or not";
  for (const char* text : {"inks", "think", "ink_", "_ink", "ink7", "\u00e9ink", "sea-light", ""})
    EXPECT_EQ(shown(text).find('['), std::string::npos) << text;
}

TEST_F(NewWords, TheLongestCounts) { EXPECT_EQ(shown("ink wash ink"), "[5004;5005;][5000;]"); }

TEST_F(NewWords, OtherTextIsReadAsEver) {
  const Ids ids = tokenizer_.encode("A <|endoftext|> B inked");
  EXPECT_EQ(words_.pieces("A <|endoftext|> B inked")[0].ids, Ids(ids.begin() + 1, ids.end() - 1));
  const Ids before = tokenizer_.encode("The boats, "), behind = tokenizer_.encode(" WALLS");
  const auto pieces = words_.pieces("The boats, ink WALLS");
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].ids, Ids(before.begin() + 1, before.end() - 1));
  EXPECT_EQ(pieces[2].ids, Ids(behind.begin() + 1, behind.end() - 1));
}

TEST_F(NewWords, ArePaddedAndCutAsOtherTokens) {
  const Encoding fits = words_.encode_padded(words(72) + "<sea-light>");
  EXPECT_EQ(fits.ids.size(), 77u);
  EXPECT_EQ(fits.ids[75], 5003);
  EXPECT_EQ(fits.ids[76], tokenizer_.end_id());
  EXPECT_EQ(fits.cut, "");
  const Encoding cut = words_.encode_padded(words(74) + "<sea-light> b ink c");
  EXPECT_EQ(cut.ids[75], 5001);
  EXPECT_EQ(cut.ids[76], tokenizer_.end_id());
  EXPECT_EQ(cut.cut, "<sea-light> b ink c") << "what is left of a word is told by its name";
  EXPECT_EQ(words_.encode_padded("a boat").ids, tokenizer_.encode_padded("a boat").ids);
}

TEST_F(NewWords, StayWholeInA1111sChunks) {
  const auto chunks = [&](const std::string& text) { return a1111_chunks(words_, parse_a1111(text)); };
  EXPECT_EQ(chunks(words(72) + " <sea-light>").size(), 1u);
  const auto moved = chunks(words(73) + " <sea-light>");
  ASSERT_EQ(moved.size(), 2u);
  EXPECT_EQ(moved[0].ids[74], tokenizer_.end_id());
  EXPECT_EQ(Ids(moved[1].ids.begin() + 1, moved[1].ids.begin() + 4), (Ids{5001, 5002, 5003}));
  EXPECT_EQ(chunks("(<sea-light>:1.5)")[0].weights[3], 1.5f);
}

TEST(Occurs, LooksForWholeWords) {
  EXPECT_TRUE(occurs("ink", "black Ink, on paper"));
  EXPECT_TRUE(occurs("ink", "embedding:ink.safetensors"));
  EXPECT_TRUE(occurs("ink", "inks and ink"));
  EXPECT_FALSE(occurs("ink", "inks and think"));
  EXPECT_FALSE(occurs("", "anything"));
}

}  // namespace
}  // namespace impasto::test
