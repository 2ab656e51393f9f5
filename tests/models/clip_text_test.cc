#include "models/clip_text.h"

#include <algorithm>

#include "support/expect_error.h"
#include "support/networks.h"
#include "weights/widened.h"

namespace impasto::test {
namespace {

class ClipTextGolden : public ::testing::TestWithParam<const char*> {};  // a device

ClipText encoder_of(const GoldenCase& golden, Backend& backend) {
  return {ClipTextConfig::parse(component_config(golden.checkpoint(), "text_encoder")), component_weights(golden.checkpoint(), "text_encoder"),
          backend};
}

TEST_P(ClipTextGolden, EqualsTransformersAtEveryClipSkip) {
  Backend& backend = backend_for(GetParam());
  const auto cases = golden_cases("text");
  EXPECT_GE(cases.size(), 2u);
  for (const GoldenCase& golden : cases) {
    const ClipText encoder = encoder_of(golden, backend);
    const std::vector<std::int32_t> ids = golden.ints("input_ids");
    const std::int64_t n = golden.shape("input_ids")[0];
    EXPECT_TRUE(tensor_matches(golden, "last_hidden_state", encoder.forward(ids, n)));
    EXPECT_TRUE(tensor_matches(golden, "clip_skip_1", encoder.forward(ids, n, 1)));
    EXPECT_TRUE(tensor_matches(golden, "clip_skip_2", encoder.forward(ids, n, 2)));
  }
}

TEST_P(ClipTextGolden, PenultimateStatesAndPooledOutputEqualTransformers) {
  Backend& backend = backend_for(GetParam());
  const auto cases = golden_cases("xl_text");
  EXPECT_GE(cases.size(), 2u);
  for (const GoldenCase& golden : cases) {
    const std::string part = golden.settings().at("part");
    const ClipText encoder(ClipTextConfig::parse(component_config(golden.checkpoint(), part)), component_weights(golden.checkpoint(), part), backend);
    const std::vector<std::int32_t> ids = golden.ints("input_ids");
    const std::int64_t n = golden.shape("input_ids")[0];
    const std::int32_t end = *std::max_element(ids.begin(), ids.end());
    const ClipText::Output last = encoder.read(ids, n, {.skipped_layers = 1, .final_norm = false, .pooled_at = end});
    EXPECT_TRUE(tensor_matches(golden, "penultimate", last.states));
    EXPECT_TRUE(tensor_matches(golden, "before", encoder.read(ids, n, {.skipped_layers = 2, .final_norm = false}).states));
    EXPECT_EQ(static_cast<bool>(last.pooled), golden.has("pooled"));
    EXPECT_TRUE(!last.pooled || tensor_matches(golden, "pooled", last.pooled));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ClipTextGolden, ::testing::Values("reference", "cpu"), [](const auto& test) { return std::string(test.param); });

TEST(ClipText, RefusesMoreSkippedLayersThanThereAre) {
  const GoldenCase golden = golden_cases("text").front();
  const ClipText encoder = encoder_of(golden, backend_for("cpu"));
  const std::vector<std::int32_t> ids(4, 0);
  EXPECT_ERROR(encoder.forward(ids, 1, encoder.config().layers), invalid_argument, "clip_skip");
  EXPECT_ERROR(encoder.forward(ids, 1, -1), invalid_argument, "clip_skip");
}

TEST(ClipText, NewVectorsStandForIdsBehindTheVocabulary) {
  const GoldenCase golden = golden_cases("text").front();
  const ClipText encoder = encoder_of(golden, backend_for("cpu"));
  const auto vocabulary = static_cast<std::int32_t>(encoder.config().vocabulary_size);
  const auto width = static_cast<std::size_t>(encoder.config().hidden_size);
  // The table's own rows for ids 7 and 9, as new ones.
  const auto weights = component_weights(golden.checkpoint(), "text_encoder");
  const std::string name =
      weights->describe("embeddings.token_embedding.weight") ? "embeddings.token_embedding.weight" : "text_model.embeddings.token_embedding.weight";
  const std::vector<float> table = widened(*weights, name);
  std::vector<float> vectors(table.begin() + static_cast<std::ptrdiff_t>(7 * width), table.begin() + static_cast<std::ptrdiff_t>(8 * width));
  vectors.insert(vectors.end(), table.begin() + static_cast<std::ptrdiff_t>(9 * width), table.begin() + static_cast<std::ptrdiff_t>(10 * width));
  const std::vector<std::int32_t> known{1, 7, 9, 3, 2, 9, 7, 5}, replaced{1, vocabulary, vocabulary + 1, 3, 2, vocabulary + 1, vocabulary, 5};
  EXPECT_EQ(encoder.forward(replaced, 2, 1, vectors).to_host(), encoder.forward(known, 2, 1).to_host());
  EXPECT_ERROR(encoder.forward(std::vector<std::int32_t>{vocabulary + 2}, 1, 0, vectors), invalid_argument, "vocabulary");
}

TEST(ClipText, RefusesATextWithoutTheIdThatEndsIt) {
  const GoldenCase golden = golden_cases("xl_text").back();
  const std::string part = "text_encoder_2";
  const ClipText encoder(ClipTextConfig::parse(component_config(golden.checkpoint(), part)), component_weights(golden.checkpoint(), part),
                         backend_for("cpu"));
  EXPECT_ERROR(encoder.read(std::vector<std::int32_t>{1, 2, 3}, 1, {.pooled_at = 7}), invalid_argument, "7");
}

TEST(ClipText, RefusesTokensBeyondItsPositionsAndVocabulary) {
  const GoldenCase golden = golden_cases("text").front();
  const ClipText encoder = encoder_of(golden, backend_for("cpu"));
  EXPECT_ERROR(encoder.forward(std::vector<std::int32_t>(static_cast<std::size_t>(encoder.config().max_positions) + 1, 0), 1), invalid_argument,
               "positions");
  EXPECT_ERROR(encoder.forward(std::vector<std::int32_t>{static_cast<std::int32_t>(encoder.config().vocabulary_size)}, 1), invalid_argument,
               "vocabulary");
  EXPECT_ERROR(encoder.forward(std::vector<std::int32_t>{-1}, 1), invalid_argument, "vocabulary");
}

}  // namespace
}  // namespace impasto::test
