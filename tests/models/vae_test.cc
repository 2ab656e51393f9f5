#include "models/vae.h"

#include <algorithm>
#include <cmath>

#include "support/networks.h"

namespace impasto::test {
namespace {

class VaeGolden : public ::testing::TestWithParam<const char*> {};  // a device

VaeConfig config_of(const GoldenCase& golden) { return VaeConfig::parse(component_config(golden.checkpoint(), "vae")); }

TEST_P(VaeGolden, DecodesAsDiffusers) {
  Backend& backend = backend_for(GetParam());
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("vae")) {
    if (!golden.has("latents") || golden.settings().contains("tile_latent_min_size")) continue;
    const VaeDecoder decoder(config_of(golden), component_weights(golden.checkpoint(), "vae"), backend);
    EXPECT_TRUE(map_matches(golden, "image", decoder.forward(map_of(golden, "latents", backend))));
    ++cases;
  }
  EXPECT_GE(cases, 2);
}

TEST_P(VaeGolden, EncodesAsDiffusers) {
  Backend& backend = backend_for(GetParam());
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("vae")) {
    if (!golden.has("mean")) continue;
    const VaeConfig config = config_of(golden);
    const VaeEncoder encoder(config, component_weights(golden.checkpoint(), "vae"), backend);
    const Tensor posterior = ops::nhwc_to_nchw(encoder.forward(map_of(golden, "image", backend)));  // [n, 2c, h, w]
    std::vector<float> mean, logvar;
    const std::vector<float> all = posterior.to_host();
    const std::int64_t half = posterior.view().count() / posterior.dim(0) / 2;
    for (std::int64_t n = 0; n < posterior.dim(0); ++n) {
      const auto first = all.begin() + 2 * n * half;
      mean.insert(mean.end(), first, first + half);
      std::transform(first + half, first + 2 * half, std::back_inserter(logvar), [](float v) { return std::clamp(v, -30.0f, 20.0f); });
    }
    EXPECT_TRUE(golden.matches("mean", mean.data(), static_cast<std::int64_t>(mean.size())));
    EXPECT_TRUE(golden.matches("logvar", logvar.data(), static_cast<std::int64_t>(logvar.size())));
    ++cases;
  }
  EXPECT_GE(cases, 2);
}

INSTANTIATE_TEST_SUITE_P(Devices, VaeGolden, ::testing::Values("reference", "cpu"), [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace impasto::test
