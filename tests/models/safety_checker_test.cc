// The safety checker against diffusers' own, and CLIP's vision against transformers'.
#include "models/safety_checker.h"

#include "support/expect_error.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

const std::string kFolder = IMPASTO_TEST_DATA "/safety_checker";

JsonObject config() { return {read_json(kFolder + "/config.json"), "config.json"}; }
std::shared_ptr<const WeightReader> weights() { return open_weights(kFolder, "model"); }

/// The checker's tensors but those that `leave_out` says, under other names.
std::shared_ptr<const WeightReader> changed(const std::function<std::string(const std::string&)>& renamed) {
  const auto file = weights();
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const std::string& name : file->names())
    if (const std::string other = renamed(name); !other.empty()) tensors.emplace_back(other, file->find(name));
  return in_memory_weights(std::move(tensors), std::make_shared<std::shared_ptr<const WeightReader>>(file));
}

class SafetyCheckerGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(SafetyCheckerGolden, FlagsWhatDiffusersFlags) {
  Backend& backend = backend_for(GetParam());
  const auto file = weights();
  const SafetyChecker checker(SafetyCheckerConfig::parse(config()), file, backend);
  const auto thresholds = [&](const char* name, std::int64_t count) { return WeightScope(*file, backend).tensor(name, {count}).to_host(); };
  const std::vector<float> special = thresholds("special_care_embeds_weights", 3), concepts = thresholds("concept_embeds_weights", 17);
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("safety")) {
    SCOPED_TRACE(golden.name());
    const SafetyChecker::Scores scores = checker.score(golden.floats("pixels"));
    EXPECT_EQ(scores.flagged(), golden.settings().at("flagged").get<bool>());
    const std::vector<float> near_special = golden.floats("special"), near = golden.floats("concepts");
    bool moved = false;
    for (std::size_t i = 0; i < special.size(); ++i) {
      EXPECT_NEAR(scores.special[i], near_special[i] - special[i], 5.1e-4) << i;  // rounded to three digits
      moved |= scores.special[i] > 0;
    }
    for (std::size_t i = 0; i < concepts.size(); ++i) EXPECT_NEAR(scores.concepts[i], near[i] - concepts[i] + (moved ? 0.01f : 0.0f), 5.1e-4) << i;
    ++cases;
  }
  EXPECT_EQ(cases, 5);
}

TEST_P(SafetyCheckerGolden, SeesWhatTransformersSees) {
  Backend& backend = backend_for(GetParam());
  const auto file = weights();
  const WeightScope root(*file, backend);
  const ClipVision vision(root / "vision_model.vision_model", root / "visual_projection", SafetyCheckerConfig::parse(config()).vision);
  for (const GoldenCase& golden : golden_cases("safety")) EXPECT_TRUE(tensor_matches(golden, "embedding", vision.embed(golden.floats("pixels"))));
}

INSTANTIATE_TEST_SUITE_P(Devices, SafetyCheckerGolden, ::testing::Values("reference", "cpu"),
                         [](const auto& test) { return std::string(test.param); });

TEST(SafetyChecker, TakesNamesThatLeaveOutALevel) {
  const std::string level = "vision_model.vision_model.";
  const auto flat = changed([&](const std::string& name) { return name.starts_with(level) ? name.substr(13) : name; });
  Backend& backend = backend_for("cpu");
  const SafetyCheckerConfig c = SafetyCheckerConfig::parse(config());
  const std::vector<float> pixels = golden_cases("safety").front().floats("pixels");
  EXPECT_EQ(SafetyChecker(c, flat, backend).score(pixels).concepts, SafetyChecker(c, weights(), backend).score(pixels).concepts);
}

TEST(SafetyChecker, NamesWhatIsMissing) {
  const SafetyCheckerConfig c = SafetyCheckerConfig::parse(config());
  for (const char* gone :
       {"concept_embeds", "special_care_embeds_weights", "visual_projection.weight", "vision_model.vision_model.pre_layrnorm.bias"})
    EXPECT_ERROR(SafetyChecker(c, changed([&](const std::string& name) { return name == gone ? "" : name; }), backend_for("cpu")), bad_file, gone);
}

TEST(SafetyChecker, RefusesConfigsThatItCannotFollow) {
  const auto parse = [](const Json& changes, const char* in) {
    Json json = read_json(kFolder + "/config.json");
    (in == nullptr ? json : json.at(in)).update(changes);
    return SafetyCheckerConfig::parse({json, "x.json"});
  };
  EXPECT_ERROR(parse({{"vision_config", nullptr}}, nullptr), bad_file, "x.json", "vision_config");
  EXPECT_ERROR(parse({{"hidden_act", "relu"}}, "vision_config"), unsupported, "x.json", "hidden_act", "relu");
  EXPECT_ERROR(parse({{"num_attention_heads", 5}}, "vision_config"), bad_file, "hidden_size", "5 heads");
  EXPECT_ERROR(parse({{"num_channels", 1}}, "vision_config"), unsupported, "num_channels");
  EXPECT_ERROR(parse({{"patch_size", 0}}, "vision_config"), bad_file, "patch_size");
}

}  // namespace
}  // namespace impasto::test
