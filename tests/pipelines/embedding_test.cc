// Textual inversion: from files to pictures, in each syntax.
#include "impasto/embedding.h"

#include "impasto/pipeline.h"
#include "pipelines/encode_text.h"
#include "pipelines/new_words.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

const std::string kFolder = IMPASTO_TEST_DATA "/embeddings/";

std::vector<Embedding> all() {
  return {read_embedding(kFolder + "inkwash.safetensors"), read_embedding(kFolder + "learned.safetensors"), read_embedding(kFolder + "bad-hands.pt")};
}

TEST(EmbeddingGolden, EqualsTheReference) {
  const auto cases = golden_cases("embeddings");
  EXPECT_GE(cases.size(), 6u);
  for (const GoldenCase& golden : cases) {
    const PromptSyntax syntax = prompt_syntax_named(golden.settings().at("syntax"));
    const ClipTokenizer tokenizer = ClipTokenizer::load(golden.checkpoint() + "/tokenizer");
    const ClipText encoder(ClipTextConfig::parse(component_config(golden.checkpoint(), "text_encoder")),
                           component_weights(golden.checkpoint(), "text_encoder"), backend_for("cpu"));
    const NewVocabulary vocabulary = new_vocabulary(all(), syntax, encoder.config().hidden_size, encoder.config().vocabulary_size);
    const PromptTokenizer words(tokenizer, vocabulary.words);
    const Tensor context = encode_text({words, encoder, vocabulary.vectors}, golden.record().at("text"), syntax, 0).context;
    EXPECT_EQ(context.shape(), golden.shape("context")) << golden.name();
    EXPECT_TRUE(tensor_matches(golden, "context", context));
  }
}

class EmbeddingInPipeline : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.num_inference_steps = 2;
    options_.seed = 7;
    options_.height = options_.width = 64;
    options_.prompt = "a boat in inkwash";
  }
  std::vector<float> latents() const { return pipeline_.text_to_image(options_).latents.values; }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options_;
};

TEST_F(EmbeddingInPipeline, ChangesOnlyPicturesThatNameIt) {
  const auto without = latents();
  options_.embeddings = all();
  EXPECT_NE(latents(), without);
  options_.prompt = "a boat";
  const auto unnamed = latents();
  options_.embeddings.clear();
  EXPECT_EQ(latents(), unnamed);
  options_.embeddings = all();
  options_.negative_prompt = "bad-hands";
  EXPECT_NE(latents(), unnamed);
}

TEST_F(EmbeddingInPipeline, ComfyuiWantsItsPrefix) {
  options_.embeddings = all();
  options_.prompt_syntax = PromptSyntax::a1111;
  const auto a1111 = latents();
  options_.prompt_syntax = PromptSyntax::comfyui;
  EXPECT_NE(latents(), a1111);
  options_.prompt = "a boat in embedding:inkwash";
  EXPECT_EQ(latents(), a1111);
}

TEST_F(EmbeddingInPipeline, RefusesOnesForOtherModelsAndNamesTakenTwice) {
  Embedding other = all()[0];
  other.tensors = {{"clip_l", 1, 768, std::vector<float>(768)}, {"clip_g", 2, 1280, std::vector<float>(2560)}};
  const auto refused = [&](const std::vector<Embedding>& embeddings, std::initializer_list<std::string> parts) {
    options_.embeddings = embeddings;
    EXPECT_TRUE(throws_error([&] { pipeline_.text_to_image(options_); }, ErrorKind::invalid_argument, parts));
    EXPECT_TRUE(throws_error([&] { check_options(options_, pipeline_.info()); }, ErrorKind::invalid_argument, parts)) << "before loading";
  };
  refused({other}, {"inkwash.safetensors", "\"clip_l\" [1, 768], \"clip_g\" [2, 1280]", "text encoder is 32 wide"});
  refused({all()[0], all()[1], all()[0]}, {"two embeddings are called \"inkwash\""});
  Embedding torn = all()[0];
  torn.tensors[0].values.pop_back();
  refused({torn}, {"31 values for 1 vectors"});
  torn.tensors.clear();
  refused({torn}, {"holds nothing"});
}

}  // namespace
}  // namespace impasto::test
