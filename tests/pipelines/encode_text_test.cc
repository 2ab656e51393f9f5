#include "pipelines/encode_text.h"

#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

PromptSyntax syntax_of(const GoldenCase& golden) { return golden.settings().at("syntax") == "a1111" ? PromptSyntax::a1111 : PromptSyntax::comfyui; }

struct Encoder {
  ClipTokenizer tokenizer;
  ClipText model;

  explicit Encoder(const std::string& checkpoint)
      : tokenizer(ClipTokenizer::load(checkpoint + "/tokenizer")),
        model(ClipTextConfig::parse(component_config(checkpoint, "text_encoder")), component_weights(checkpoint, "text_encoder"),
              backend_for("cpu")) {}
  EncodedText encode(const std::string& text, PromptSyntax syntax, int clip_skip = 0) const {
    return encode_text({PromptTokenizer(tokenizer), model}, text, syntax, clip_skip);
  }
  std::vector<float> values(const std::string& text, PromptSyntax syntax) const { return encode(text, syntax).context.to_host(); }
};

TEST(EncodeText, EqualsTheReference) {
  const auto cases = golden_cases("prompts");
  EXPECT_GE(cases.size(), 19u);
  for (const GoldenCase& golden : cases) {
    const Encoder encoder(golden.checkpoint());
    const EncodedText encoded = encoder.encode(golden.record().at("text"), syntax_of(golden), golden.settings().at("clip_skip"));
    EXPECT_TRUE(encoded.cut.empty());
    EXPECT_EQ(encoded.context.shape(), golden.shape("context")) << golden.name();
    EXPECT_TRUE(tensor_matches(golden, "context", encoded.context));
  }
}

TEST(EncodeText, SyntaxesAgreeOnAShortTextWithoutBrackets) {
  const Encoder encoder(test_checkpoint("tiny-sd15"));
  for (const std::string text : {"", "a boat, at 3:30 BREAKFAST"}) {
    const std::vector<float> plain = encoder.values(text, PromptSyntax::plain);
    EXPECT_EQ(encoder.values(text, PromptSyntax::a1111), plain) << text;
    EXPECT_EQ(encoder.values(text, PromptSyntax::comfyui), plain) << text;
  }
}

TEST(EncodeText, PlainTakesBracketsForText) {
  const Encoder encoder(test_checkpoint("tiny-sd15"));
  EXPECT_NE(encoder.values("a (red:1.3) boat", PromptSyntax::plain), encoder.values("a red boat", PromptSyntax::plain));
  EXPECT_EQ(encoder.values("a (red:1.0) boat", PromptSyntax::a1111), encoder.values("a red boat", PromptSyntax::plain));
}

TEST(EncodeText, EachChunkIsReadAlone) {
  const Encoder encoder(test_checkpoint("tiny-sd15"));
  std::vector<float> apart = encoder.values("a (red:1.3) boat", PromptSyntax::a1111);
  const std::vector<float> second = encoder.values("[green] water", PromptSyntax::a1111);
  apart.insert(apart.end(), second.begin(), second.end());
  EXPECT_EQ(encoder.values("a (red:1.3) boat BREAK [green] water", PromptSyntax::a1111), apart);
}

TEST(EncodeText, RefusesTextThatIsNotUtf8) {
  const Encoder encoder(test_checkpoint("tiny-sd15"));
  for (const PromptSyntax syntax : {PromptSyntax::plain, PromptSyntax::a1111, PromptSyntax::comfyui})
    EXPECT_ERROR(encoder.encode("a \xc0 boat", syntax), invalid_argument, "UTF-8", "byte 2");
}

}  // namespace
}  // namespace impasto::test
