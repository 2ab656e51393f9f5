#include "pipelines/memory_estimate.h"

#include "core/json.h"
#include "impasto/pipeline.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

TEST(MemoryEstimate, GrowsWithSizeImagesAndGuidance) {
  const UNetConfig unet = UNetConfig::parse({Json::object(), "unet"});
  const VaeConfig vae = VaeConfig::parse({Json::parse(R"({"layers_per_block": 2})"), "vae"});
  const auto memory = [&](int side, int images, bool guided) { return activation_memory(unet, vae, side, side, images, guided).on_one_device(); };
  EXPECT_GT(memory(1024, 1, true), 3 * memory(512, 1, true));
  EXPECT_GT(memory(512, 32, true), 3 * memory(512, 8, true));
  EXPECT_GT(memory(512, 8, true), memory(512, 8, false));
}

TEST(MemoryEstimate, FeaturesOfTwoBytesTakeHalf) {
  const UNetConfig unet = UNetConfig::parse({Json::object(), "unet"});
  const VaeConfig vae = VaeConfig::parse({Json::parse(R"({"layers_per_block": 2})"), "vae"});
  const ActivationMemory whole = activation_memory(unet, vae, 512, 512, 2, true),
                         half = activation_memory(unet, vae, 512, 512, 2, true, /*tiled=*/false, DType::float16, DType::bfloat16);
  EXPECT_EQ(half.unet, whole.unet / 2);
  EXPECT_EQ(half.vae, whole.vae / 2);
  EXPECT_EQ(half.pictures, whole.pictures) << "they are float32 on the host";
}

TEST(MemoryEstimate, CountsTheWeights) {
  const ModelInfo info = inspect(test_checkpoint("tiny-sd15"));
  std::int64_t weights = 0;
  for (const ComponentInfo& c : info.components) weights += c.bytes;
  EXPECT_GT(predicted_peak_memory(info, 64, 64, 1), weights);
  EXPECT_LT(predicted_peak_memory(info, 64, 64, 1), 500 << 20);
}

}  // namespace
}  // namespace impasto::test
