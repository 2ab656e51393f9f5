#include "models/unet.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "support/expect_error.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

class UNetGolden : public ::testing::TestWithParam<const char*> {};  // a device

UNet unet_of(const GoldenCase& golden, Backend& backend) {
  return {UNetConfig::parse(component_config(golden.checkpoint(), "unet")), component_weights(golden.checkpoint(), "unet"), backend};
}

/// Eight times the largest change of the output when every input value moves by one rounding. On maps of a few pixels a group has so few
/// values that its variance can be all but zero, and the network then magnifies roundings beyond what two runs of the reference showed.
double rounding_sensitivity(const UNet& unet, const GoldenCase& golden, Backend& backend, const UNet::Conditioning& context) {
  const double timestep = golden.settings().at("timestep");
  std::vector<float> moved = golden.floats("sample");
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] *= i % 2 == 0 ? 1 + 0x1p-23f : 1 - 0x1p-23f;
  const Tensor other = ops::nchw_to_nhwc(Tensor::from_host(backend, golden.shape("sample"), moved.data()));
  const std::vector<float> a = unet.forward(map_of(golden, "sample", backend), timestep, context).to_host();
  const std::vector<float> b = unet.forward(other, timestep, context).to_host();
  double change = 0;
  for (std::size_t i = 0; i < a.size(); ++i) change = std::max(change, std::abs(static_cast<double>(a[i]) - b[i]));
  return 8 * change;
}

UNetContext xl_context(const GoldenCase& golden, Backend& backend) {
  return {tensor_of(golden, "context", backend), tensor_of(golden, "pooled", backend), tensor_of(golden, "time_ids", backend)};
}

TEST_P(UNetGolden, OfTheXlKindEqualsDiffusers) {
  Backend& backend = backend_for(GetParam());
  const auto cases = golden_cases("xl_unet");
  EXPECT_GE(cases.size(), 6u);
  for (const GoldenCase& golden : cases) {
    const UNet unet = unet_of(golden, backend);
    const Tensor out = ops::nhwc_to_nchw(
        unet.forward(map_of(golden, "sample", backend), golden.settings().at("timestep"), unet.condition(xl_context(golden, backend))));
    EXPECT_TRUE(golden.matches("out", out.to_host().data(), out.view().count()));
  }
}

TEST(UNet, OfTheXlKindTakesOneSampleUnderSeveralContexts) {
  Backend& backend = backend_for("cpu");
  const GoldenCase golden = golden_cases("xl_unet").at(2);
  const UNet unet = unet_of(golden, backend);
  const Tensor sample = map_of(golden, "sample", backend).slice(1, 1);
  const UNet::Conditioning all = unet.condition(xl_context(golden, backend));
  const Tensor together = unet.forward(sample, 300, all);
  ASSERT_EQ(together.dim(0), 3);
  for (std::int64_t i = 0; i < 3; ++i)
    EXPECT_EQ(together.slice(i, 1).to_host(), unet.forward(sample, 300, all.slice(i, 1)).to_host()) << "context " << i;
}

TEST(UNet, OfTheXlKindRefusesAnotherNumberOfPictureIds) {
  Backend& backend = backend_for("cpu");
  const GoldenCase golden = golden_cases("xl_unet").front();
  const UNet unet = unet_of(golden, backend);
  UNetContext context = xl_context(golden, backend);
  context.ids = Tensor::from_host(backend, {1, 5}, std::vector<float>(5).data());
  EXPECT_ERROR(unet.condition(context), invalid_argument, "5 numbers");
  context.pooled = {};
  EXPECT_ERROR(unet.condition(context), invalid_argument, "columns");
}

TEST_P(UNetGolden, EqualsDiffusersAtEverySizeAndTimestep) {
  Backend& backend = backend_for(GetParam());
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("unet")) {
    if (!golden.has("out") || golden.has("conv_in")) continue;
    const UNet unet = unet_of(golden, backend);
    const UNet::Conditioning context = unet.condition({tensor_of(golden, "context", backend)});
    const Tensor out = ops::nhwc_to_nchw(unet.forward(map_of(golden, "sample", backend), golden.settings().at("timestep"), context));
    const bool few_pixels = golden.shape("sample")[2] * golden.shape("sample")[3] < 16;
    const double more = few_pixels ? rounding_sensitivity(unet, golden, backend, context) : 0;
    EXPECT_TRUE(golden.matches("out", out.to_host().data(), out.view().count(), more));
    ++cases;
  }
  EXPECT_GE(cases, 4);
}

TEST_P(UNetGolden, EqualsDiffusersAfterEveryStage) {
  Backend& backend = backend_for(GetParam());
  std::set<std::string> stages;
  for (const GoldenCase& golden : golden_cases("unet")) {
    if (!golden.has("conv_in")) continue;
    const UNet unet = unet_of(golden, backend);
    const auto observe = [&](std::string_view stage, const Tensor& output) {
      const std::string name(stage);
      stages.insert(name);
      EXPECT_TRUE(output.shape().rank() == 4 ? map_matches(golden, name, output) : tensor_matches(golden, name, output));
    };
    unet.forward(map_of(golden, "sample", backend), golden.settings().at("timestep"), unet.condition({tensor_of(golden, "context", backend)}),
                 {.observe = observe});
  }
  EXPECT_EQ(stages, (std::set<std::string>{"time_embedding", "conv_in", "down_blocks.0", "down_blocks.1", "down_blocks.2", "down_blocks.3",
                                           "mid_block", "up_blocks.0", "up_blocks.1", "up_blocks.2", "up_blocks.3", "conv_out"}));
}

INSTANTIATE_TEST_SUITE_P(Devices, UNetGolden, ::testing::Values("reference", "cpu"), [](const auto& test) { return std::string(test.param); });

TEST(UNet, ImageOfABatchEqualsTheImageAloneBitForBit) {
  Backend& backend = backend_for("cpu");
  for (const GoldenCase& golden : golden_cases("unet")) {
    if (!golden.has("out") || golden.shape("sample")[0] < 2) continue;
    const UNet unet = unet_of(golden, backend);
    const Tensor sample = map_of(golden, "sample", backend), context = tensor_of(golden, "context", backend);
    const double timestep = golden.settings().at("timestep");
    const Tensor all = unet.forward(sample, timestep, unet.condition({context}));
    for (std::int64_t i = 0; i < sample.dim(0); ++i)
      EXPECT_EQ(all.slice(i, 1).to_host(), unet.forward(sample.slice(i, 1), timestep, unet.condition({context.slice(i, 1)})).to_host())
          << golden.name();
  }
}

TEST(UNet, TwoPromptsOnOneSampleEqualTheSampleGivenTwiceBitForBit) {
  Backend& backend = backend_for("cpu");
  for (const GoldenCase& golden : golden_cases("unet")) {
    if (!golden.has("out") || golden.shape("sample")[0] != 2) continue;
    const UNet unet = unet_of(golden, backend);
    const Tensor sample = map_of(golden, "sample", backend).slice(0, 1);
    const UNet::Conditioning context = unet.condition({tensor_of(golden, "context", backend)});
    EXPECT_EQ(unet.forward(sample, 500, context).to_host(), unet.forward(ops::concat_images(sample, sample), 500, context).to_host())
        << golden.name();
  }
}

TEST(UNet, IsToldTheGuidanceScaleInTheShallowPassToo) {
  Backend& backend = backend_for("cpu");
  const std::string folder = IMPASTO_TEST_DATA "/told_unet";
  const UNet unet(UNetConfig::parse({read_json(folder + "/config.json"), folder}), open_weights(folder, "diffusion_pytorch_model"), backend);
  const std::vector<float> values(77 * 32, 0.5f), weak(32, 0.1f), strong(32, 0.9f);
  const Tensor states = Tensor::from_host(backend, {1, 77, 32}, values.data()), x = Tensor::from_host(backend, {1, 8, 8, 4}, values.data());
  const auto told = [&](const std::vector<float>& guidance) { return unet.condition({states, {}, {}, guidance}); };
  Tensor deep;
  const std::vector<float> whole = unet.forward(x, 500, told(weak), {.deep = &deep}).to_host();
  EXPECT_EQ(unet.forward_shallow(x, 500, told(weak), deep).to_host(), whole);
  EXPECT_NE(unet.forward_shallow(x, 500, told(strong), deep).to_host(), whole);
  EXPECT_NE(unet.forward(x, 500, told(strong)).to_host(), whole);
  EXPECT_NE(unet.forward(x, 500, told({})).to_host(), whole);
  EXPECT_ERROR(told({1, 2}), invalid_argument, "2 numbers", "32");
}

TEST(UNet, ShallowPassEqualsTheWholeOneThatItsDepthsAreFrom) {
  Backend& backend = backend_for("cpu");
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("unet")) {
    if (!golden.has("out") || golden.shape("sample")[0] != 2) continue;
    const UNet unet = unet_of(golden, backend);
    const Tensor sample = map_of(golden, "sample", backend);
    const UNet::Conditioning context = unet.condition({tensor_of(golden, "context", backend)});
    for (const Tensor& x : {sample, sample.slice(0, 1)}) {  // the latter under two prompts, as guidance asks
      Tensor deep;
      const std::vector<float> whole = unet.forward(x, 500, context, {.deep = &deep}).to_host();
      EXPECT_EQ(unet.forward_shallow(x, 500, context, deep).to_host(), whole) << golden.name();
      EXPECT_NE(unet.forward_shallow(x, 400, context, deep).to_host(), whole) << golden.name();
    }
    ++cases;
  }
  EXPECT_GE(cases, 1);
}

}  // namespace
}  // namespace impasto::test
