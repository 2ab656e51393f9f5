// The UNet's inner blocks alone, each fed with diffusers' own output of the block before it.
#include "models/unet_blocks.h"
#include "nn/resnet_block.h"
#include "nn/transformer_block.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

class Blocks : public ::testing::TestWithParam<const char*> {  // a device
 protected:
  /// Calls test(golden, config, weights of the UNet) for every case that holds block outputs.
  template <typename Test>
  void for_each_case(const Test& test) {
    int cases = 0;
    for (const GoldenCase& golden : golden_cases("unet")) {
      if (!golden.has("conv_in")) continue;
      const UNetConfig config = UNetConfig::parse(component_config(golden.checkpoint(), "unet"));
      const auto weights = component_weights(golden.checkpoint(), "unet");
      test(golden, config, WeightScope(*weights, backend_));
      ++cases;
    }
    EXPECT_GE(cases, 2);
  }

  Backend& backend_ = backend_for(GetParam());
};

TEST_P(Blocks, ResnetEqualsDiffusers) {
  for_each_case([&](const GoldenCase& golden, const UNetConfig& c, const WeightScope& unet) {
    const std::int64_t channels = c.levels[0].channels;
    const nn::ResnetBlock block(unet / "down_blocks.0.resnets.0", {.in = channels, .out = channels, .groups = c.groups, .eps = c.norm_eps});
    const TimeProjections project(unet, c, /*way_up=*/true);
    const std::vector<Tensor> times = project(ops::activate(tensor_of(golden, "time_embedding", backend_), Activation::silu));
    EXPECT_TRUE(map_matches(golden, "down_blocks.0.resnets.0", block(map_of(golden, "conv_in", backend_), times.front())));
  });
}

TEST_P(Blocks, TransformerEqualsDiffusers) {
  for_each_case([&](const GoldenCase& golden, const UNetConfig& c, const WeightScope& unet) {
    const UNetLevel& level = c.levels[0];
    const nn::Transformer2d block(unet / "down_blocks.0.attentions.0", {.channels = level.channels,
                                                                        .context_channels = c.context_channels,
                                                                        .heads = level.heads,
                                                                        .layers = level.transformer_layers,
                                                                        .groups = c.groups});
    std::vector<nn::KeyValue> context;
    block.project(tensor_of(golden, "context", backend_), context);
    const nn::KeyValue* next = context.data();
    EXPECT_TRUE(map_matches(golden, "down_blocks.0.attentions.0", block(map_of(golden, "down_blocks.0.resnets.0", backend_), next)));
    EXPECT_EQ(next, context.data() + level.transformer_layers);
  });
}

TEST_P(Blocks, NormEqualsDiffusers) {
  for_each_case([&](const GoldenCase& golden, const UNetConfig& c, const WeightScope& unet) {
    const nn::GroupNorm norm(unet / "conv_norm_out", c.levels[0].channels, c.groups, c.norm_eps);
    EXPECT_TRUE(map_matches(golden, "conv_norm_out", norm(map_of(golden, "up_blocks.3", backend_))));
  });
}

INSTANTIATE_TEST_SUITE_P(Devices, Blocks, ::testing::Values("reference", "cpu"), [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace impasto::test
