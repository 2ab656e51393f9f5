// Token merging against tomesd.
#include "nn/token_merging.h"

#include "models/unet.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

UNet unet_of(const GoldenCase& golden, Backend& backend) {
  return {UNetConfig::parse(component_config(golden.checkpoint(), "unet")), component_weights(golden.checkpoint(), "unet"), backend};
}

class TokenMergingGolden : public ::testing::TestWithParam<const char*> {};  // a device

TEST_P(TokenMergingGolden, EqualsTomesd) {
  Backend& backend = backend_for(GetParam());
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("token_merging")) {
    const UNet unet = unet_of(golden, backend);
    const UNet::Conditioning context = unet.condition({tensor_of(golden, "context", backend)});
    const float ratio = golden.settings().at("ratio");
    const auto run = [&](float r) {
      return unet.forward(map_of(golden, "sample", backend), golden.settings().at("timestep"), context, {.token_merging_ratio = r});
    };
    EXPECT_TRUE(map_matches(golden, "out", run(ratio)));
    EXPECT_FALSE(map_matches(golden, "out", run(0))) << "the case cannot tell merging from none";
    ++cases;
  }
  EXPECT_GE(cases, 6);
}

INSTANTIATE_TEST_SUITE_P(Devices, TokenMergingGolden, ::testing::Values("reference", "cpu"),
                         [](const auto& test) { return std::string(test.param); });

TEST(TokenMerging, ImageOfABatchEqualsTheImageAloneBitForBit) {
  Backend& backend = backend_for("cpu");
  for (const GoldenCase& golden : golden_cases("token_merging")) {
    if (golden.shape("sample")[0] < 2) continue;
    const UNet unet = unet_of(golden, backend);
    const Tensor sample = map_of(golden, "sample", backend), context = tensor_of(golden, "context", backend);
    const UNet::Forward merging{.token_merging_ratio = 0.5f};
    const Tensor all = unet.forward(sample, 500, unet.condition({context}), merging);
    for (std::int64_t i = 0; i < sample.dim(0); ++i)
      EXPECT_EQ(all.slice(i, 1).to_host(), unet.forward(sample.slice(i, 1), 500, unet.condition({context.slice(i, 1)}), merging).to_host());
  }
}

TEST(TokenMerging, EqualTokensComeBackAsTheyWere) {
  Backend& backend = backend_for("cpu");
  std::vector<float> x(5 * 6 * 3), zeros(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i / 3 % 6 < 3 ? 1.f : static_cast<float>(i % 3) - 1.f;  // left half, right half
  const Tensor map = Tensor::from_host(backend, {1, 30, 3}, x.data()), nothing = Tensor::from_host(backend, {1, 30, 3}, zeros.data());
  for (const float ratio : {0.f, 0.2f, 0.7f, 0.75f}) {
    const nn::TokenMerging merging(map, 5, 6, ratio);
    const Tensor fewer = merging.merge(map);
    EXPECT_EQ(fewer.dim(1), 30 - static_cast<std::int64_t>(30 * static_cast<double>(ratio)));
    EXPECT_EQ(merging.unmerge(fewer, nothing).to_host(), x) << ratio;
  }
}

TEST(TokenMerging, MapsWithoutAWholeSquareStayWhole) {
  Backend& backend = backend_for("cpu");
  std::vector<float> x(7 * 2, 1.f);
  const Tensor map = Tensor::from_host(backend, {1, 7, 2}, x.data());
  EXPECT_EQ(nn::TokenMerging(map, 1, 7, 0.75f).merge(map).dim(1), 7);
}

}  // namespace
}  // namespace impasto::test
