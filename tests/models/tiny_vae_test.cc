// TAESD against diffusers' AutoencoderTiny, and the names that its files have.
#include "models/vae.h"

#include "support/expect_error.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

const std::string kFolder = IMPASTO_TEST_DATA "/tiny_vae";

VaeConfig config() { return VaeConfig::parse(JsonObject(read_json(kFolder + "/config.json"), "config.json")); }
std::shared_ptr<const WeightReader> weights() { return open_weights(kFolder, "diffusion_pytorch_model"); }

/// Four channels of eight.
Tensor half(const Tensor& all, std::int64_t begin) { return ops::concat_columns(all.columns(begin, 2), all.columns(begin + 2, 2)); }

class TinyVaeGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(TinyVaeGolden, DecodesAsDiffusers) {
  Backend& backend = backend_for(GetParam());
  const VaeDecoder decoder(config(), weights(), backend);
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("tiny_vae")) {
    if (!golden.has("latents")) continue;
    EXPECT_TRUE(map_matches(golden, "image", decoder.forward(map_of(golden, "latents", backend))));
    ++cases;
  }
  EXPECT_EQ(cases, 2);
}

TEST_P(TinyVaeGolden, EncodesAsDiffusersWithoutVariance) {
  Backend& backend = backend_for(GetParam());
  const VaeEncoder encoder(config(), weights(), backend);
  for (const GoldenCase& golden : golden_cases("tiny_vae")) {
    if (!golden.has("encoded")) continue;
    const Tensor all = encoder.forward(map_of(golden, "image", backend));  // [n, h, w, 8]
    EXPECT_TRUE(map_matches(golden, "encoded", half(all, 0)));
    for (const float variance : half(all, 4).to_host()) EXPECT_EQ(variance, -30);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, TinyVaeGolden, ::testing::Values("reference", "cpu"), [](const auto& test) { return std::string(test.param); });

/// The tensors under the original's names: the decoder's first layer there has no weights.
std::shared_ptr<const WeightReader> original(const std::string& decoder, const std::string& encoder) {
  const auto file = weights();
  std::vector<std::pair<std::string, TensorView>> tensors;
  for (const std::string& name : file->names()) {
    const bool decodes = name.starts_with("decoder.layers.");
    const std::string rest = name.substr(15);  // behind "decoder.layers."
    const int place = std::stoi(rest);
    const std::string& prefix = decodes ? decoder : encoder;
    if (prefix != "-") tensors.emplace_back(prefix + std::to_string(place + (decodes ? 1 : 0)) + rest.substr(rest.find('.')), file->find(name));
  }
  return in_memory_weights(std::move(tensors), std::make_shared<std::shared_ptr<const WeightReader>>(file));
}

TEST(TinyVaeNames, FindsDiffusersAndTheOriginals) {
  const NameMap today = find_tiny_vae(*weights());
  EXPECT_EQ(today.size(), weights()->names().size());
  const NameMap both = find_tiny_vae(*original("decoder.", "encoder."));
  EXPECT_EQ(both.size(), today.size());
  for (const auto& [name, source] : today) EXPECT_TRUE(both.contains(name)) << name;
  const NameMap half = find_tiny_vae(*original("", "-"));
  EXPECT_EQ(half.size(), static_cast<std::size_t>(std::count_if(today.begin(), today.end(), [](const auto& t) { return t.first[0] == 'd'; })));
  EXPECT_EQ(half.at("decoder.layers.18.weight").name, "19.weight");
  EXPECT_TRUE(find_tiny_vae(*component_weights(test_checkpoint("tiny-sd15"), "vae")).empty());
  EXPECT_TRUE(find_tiny_vae(*original("-", "")).empty()) << "nothing decodes with an encoder";
}

TEST(TinyVaeConfig, FollowsFromTheTensors) {
  for (const auto& file : {weights(), renamed_weights(original("decoder.", "encoder."), find_tiny_vae(*original("decoder.", "encoder.")))}) {
    const TinyVaeConfig c = TinyVaeConfig::parse(derived_tiny_vae_config(*file));
    EXPECT_EQ(c.channels, 8);
    EXPECT_EQ(c.latent_channels, 4);
    EXPECT_EQ(c.decoder_blocks, (std::vector<int>{3, 3, 3, 1}));
    EXPECT_EQ(c.encoder_blocks, (std::vector<int>{1, 3, 3, 3}));
  }
}

TEST(TinyVaeConfig, RefusesOtherArchitectures) {
  const auto parse = [](const Json& changes) {
    Json config = read_json(kFolder + "/config.json");
    config.update(changes);
    VaeConfig::parse({config, "x.json"});
  };
  EXPECT_ERROR(parse({{"act_fn", "silu"}}), unsupported, "x.json", "act_fn", "silu");
  EXPECT_ERROR(parse({{"upsampling_scaling_factor", 3}}), unsupported, "upsampling_scaling_factor");
  EXPECT_ERROR(parse({{"decoder_block_out_channels", {8, 8, 16, 8}}}), unsupported, "decoder_block_out_channels");
  EXPECT_ERROR(parse({{"num_decoder_blocks", {3, 1}}}), unsupported, "num_decoder_blocks");
  EXPECT_ERROR(parse({{"scaling_factor", 0}}), bad_file, "scaling_factor");
}

}  // namespace
}  // namespace impasto::test
