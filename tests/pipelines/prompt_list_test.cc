// Several prompts in one batch, and prompts that are embeddings already.
#include <cmath>

#include "adapters/lora_maker.h"
#include "impasto/components.h"
#include "impasto/metadata.h"
#include "impasto/pipeline.h"
#include "impasto/prompt_embeddings.h"
#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

class PromptList : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.num_inference_steps = 3;
    options_.seed = 7;
    options_.scheduler = "euler_a";  // draws noise at every step
    options_.height = options_.width = 64;
  }
  std::vector<float> latents(const TextToImageOptions& options) const { return pipeline_.text_to_image(options).latents.values; }
  /// What the text encoder makes of a text in plain syntax.
  HostTensor embeds(const std::string& text) const {
    const Components parts = components(pipeline_);
    return parts.texts[0].encoder.forward(parts.texts[0].tokenizer.encode_padded(text).ids, 1);
  }

  Pipeline pipeline_ = Pipeline::load(test_checkpoint("tiny-sd15"));
  TextToImageOptions options_;
};

HostTensor both(const HostTensor& a, const HostTensor& b) {
  HostTensor out{{2, a.shape[1], a.shape[2]}, a.values};
  out.values.insert(out.values.end(), b.values.begin(), b.values.end());
  return out;
}

TEST_F(PromptList, EachPictureEqualsTheOneDrawnAlone) {
  std::string long_prompt = "a bridge";
  for (int i = 0; i < 60; ++i) long_prompt += ", (water:1.2)";
  options_.prompt_syntax = PromptSyntax::a1111;
  options_.prompts = {"a boat", long_prompt, "a [house:tree:0.5]"};
  options_.negative_prompts = {"fog", "", long_prompt};
  options_.num_images = 2;
  const TextToImageResult result = pipeline_.text_to_image(options_);
  ASSERT_EQ(result.images.size(), 6u);
  EXPECT_EQ(result.seeds, (std::vector<std::uint64_t>{7, 8, 9, 10, 11, 12}));
  for (std::size_t k = 0; k < 6; ++k) {
    TextToImageOptions alone = options_;
    alone.prompt = options_.prompts[k / 2], alone.negative_prompt = options_.negative_prompts[k / 2];
    alone.prompts.clear(), alone.negative_prompts.clear();
    alone.num_images = 1;
    alone.seed = 7 + k;
    EXPECT_EQ(pipeline_.text_to_image(alone).images[0].pixels, result.images[k].pixels) << "picture " << k;
  }
}

TEST_F(PromptList, OneNegativePromptGoesWithAll) {
  options_.prompts = {"a boat", "a house"};
  options_.negative_prompt = "fog";
  const auto one = latents(options_);
  options_.negative_prompt.clear();
  options_.negative_prompts = {"fog", "fog"};
  EXPECT_EQ(latents(options_), one);
}

TEST_F(PromptList, InfotextSaysEachPicturesOwn) {
  options_.prompts = {"a boat", "a house"};
  options_.negative_prompts = {"fog", ""};
  options_.num_images = 2;
  const TextToImageResult result = pipeline_.text_to_image(options_);
  const auto text = [&](int index) { return parse_infotext(infotext(options_, result, pipeline_.info(), index)); };
  for (const int index : {0, 1, 2, 3}) {
    EXPECT_EQ(text(index).prompt, index < 2 ? "a boat" : "a house");
    EXPECT_EQ(text(index).negative_prompt, index < 2 ? "fog" : "");
    EXPECT_EQ(text(index).value("Seed"), std::to_string(7 + index));
  }
}

TEST_F(PromptList, RefusesListsThatDoNotFitTogether) {
  const auto refused = [&](auto change, const std::string& part) {
    TextToImageOptions o = options_;
    change(o);
    EXPECT_ERROR(pipeline_.text_to_image(o), invalid_argument, part);
    EXPECT_ERROR(check_options(o, pipeline_.info()), invalid_argument, part);
  };
  refused([](auto& o) { o.prompts = {"a"}, o.prompt = "b"; }, "prompt and prompts");
  refused([](auto& o) { o.prompts = {"a"}, o.negative_prompts = {"b"}, o.negative_prompt = "c"; }, "negative_prompt and negative_prompts");
  refused([](auto& o) { o.prompts = {"a", "b"}, o.negative_prompts = {"c"}; }, "1 negative_prompts for 2 prompts");
  refused([](auto& o) { o.negative_prompts = {"c"}; }, "1 negative_prompts for 0 prompts");
  refused([](auto& o) { o.prompts.assign(513, "a"), o.num_images = 2; }, "1024 pictures");
  refused([](auto& o) { o.prompts.assign(2000, "a"), o.num_images = 1024; }, "1024 pictures");
}

TEST_F(PromptList, EmbeddingsStandForTexts) {
  options_.prompt = "a boat", options_.negative_prompt = "fog";
  options_.num_images = 2;
  const auto from_text = latents(options_);
  options_.prompt.clear();
  options_.prompt_embeds = embeds("a boat");
  EXPECT_EQ(latents(options_), from_text);
  options_.negative_prompt.clear();
  options_.negative_prompt_embeds = embeds("fog");
  EXPECT_EQ(latents(options_), from_text);
  options_.prompt_embeds = both(embeds("a boat"), embeds("a boat"));
  EXPECT_EQ(latents(options_), from_text);
}

TEST_F(PromptList, EachPictureMayHaveItsOwnEmbeddings) {
  options_.prompts = {"a boat", "a house"};
  const auto from_text = latents(options_);
  options_.prompts.clear();
  options_.num_images = 2;
  options_.prompt_embeds = both(embeds("a boat"), embeds("a house"));
  EXPECT_EQ(latents(options_), from_text);
}

TEST_F(PromptList, EmbeddingsOfAFileStandForTexts) {
  const TemporaryFolder folder;
  options_.prompt = "a boat", options_.negative_prompt = "fog";
  const auto from_text = latents(options_);
  const HostTensor boat = embeds("a boat"), fog = embeds("fog");
  const PromptEmbeddings read = read_prompt_embeddings(write_tensors(
      folder, "boat.safetensors", {{"prompt_embeds", {Shape(boat.shape), boat.values}}, {"negative_prompt_embeds", {Shape(fog.shape), fog.values}}}));
  options_.prompt.clear(), options_.negative_prompt.clear();
  options_.prompt_embeds = read.prompt_embeds, options_.negative_prompt_embeds = read.negative_prompt_embeds;
  EXPECT_EQ(latents(options_), from_text);
  EXPECT_FALSE(read.pooled_prompt_embeds);
  options_.prompt_2 = "a boat";
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "prompt_embeds and prompt_2");
}

TEST(PromptEmbeddingFile, HasNoOtherTensorsThanItsFour) {
  const TemporaryFolder folder;
  const Values prompt{{1, 2, 3}, {1, 2, 3, 4, 5, 6}}, pooled{{2, 1}, {7, 8}};
  const auto read = [&](const std::map<std::string, Values>& tensors) {
    return read_prompt_embeddings(write_tensors(folder, "e.safetensors", tensors));
  };
  const PromptEmbeddings whole = read(
      {{"prompt_embeds", prompt}, {"pooled_prompt_embeds", pooled}, {"negative_prompt_embeds", prompt}, {"negative_pooled_prompt_embeds", pooled}});
  EXPECT_EQ(whole.prompt_embeds.shape, (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(whole.prompt_embeds.values, prompt.values);
  EXPECT_EQ(whole.negative_pooled_prompt_embeds->shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(whole.pooled_prompt_embeds->values, pooled.values);
  EXPECT_ERROR(read({{"negative_prompt_embeds", prompt}}), bad_file, "e.safetensors", "no tensor \"prompt_embeds\"");
  EXPECT_ERROR(read({{"prompt_embeds", prompt}, {"latents", prompt}}), bad_file, "e.safetensors", "\"latents\"", "negative_prompt_embeds");
  EXPECT_ERROR(read({{"prompt_embeds", pooled}}), bad_file, "\"prompt_embeds\"", "[2, 1]", "[prompts, tokens, channels]");
  EXPECT_ERROR(read({{"prompt_embeds", {{1, 0, 3}, {}}}}), bad_file, "\"prompt_embeds\"", "[1, 0, 3]");
  EXPECT_ERROR(read({{"prompt_embeds", prompt}, {"pooled_prompt_embeds", prompt}}), bad_file, "pooled_prompt_embeds", "[prompts, channels]");
  EXPECT_ERROR(read({{"prompt_embeds", {{1, 1, 1}, {std::nanf("")}}}}), bad_file, "prompt_embeds", "NaN");
  EXPECT_ERROR(read_prompt_embeddings(folder / "none"), not_found, "none");
}

TEST_F(PromptList, RefusesEmbeddingsOfAnotherShape) {
  const std::int64_t c = embeds("").shape[2];
  const auto refused = [&](const std::vector<std::int64_t>& shape, std::size_t values) {
    TextToImageOptions o = options_;
    o.num_images = 2;
    for (auto field : {&TextToImageOptions::prompt_embeds, &TextToImageOptions::negative_prompt_embeds}) {
      TextToImageOptions with = o;
      with.*field = HostTensor{shape, std::vector<float>(values)};
      EXPECT_ERROR(pipeline_.text_to_image(with), invalid_argument, "prompt_embeds", "[1 or 2, 1 to 2464 tokens, " + std::to_string(c) + "]");
    }
  };
  const auto n = static_cast<std::size_t>(c);
  refused({3, 2, c}, 6 * n);
  refused({1, 0, c}, 0);
  refused({1, 2, c + 1}, 2 * n + 2);
  refused({2, c}, 2 * n);
  refused({1, 2, c}, 2 * n - 1);
  refused({1, 1 << 20, c}, n);
  refused({1, 1, 1, 1, 1, 1, 1, 1}, 1);
  options_.prompt_embeds = embeds("a boat");
  options_.prompt = "a boat";
  EXPECT_ERROR(pipeline_.text_to_image(options_), invalid_argument, "prompt_embeds", "prompt");
}

}  // namespace
}  // namespace impasto::test
