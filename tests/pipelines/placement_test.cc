#include "pipelines/placement.h"

#include "backend/profiling_backend.h"
#include "backend/registry.h"
#include "pipelines/memory_estimate.h"
#include "pipelines/options.h"
#include "support/expect_error.h"
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

TEST(Placement, PutsEveryNetworkWhereItIsAskedFor) {
  const Placement placed = placement({.device = "vae=reference,unet=cpu,text_encoder=cpu"});
  EXPECT_EQ(placed.vae.name(), "reference");
  EXPECT_EQ(placed.unet.name(), "cpu");
  EXPECT_EQ(placed.text_encoder.name(), "cpu");
  EXPECT_FALSE(placed.off_the_host());
  const Placement one = placement({.device = "reference"});
  EXPECT_EQ(&one.vae, &one.unet);
  EXPECT_EQ(&one.vae, &one.text_encoder);
}

TEST(Placement, RefusesWhatIsNotANetworkOrADevice) {
  EXPECT_ERROR(placement({.device = "unet=cpu,vea=cpu"}), invalid_argument, "vea=cpu", "vae=");
  EXPECT_ERROR(placement({.device = "unet=cpu,unet=cpu"}), invalid_argument, "once");
  EXPECT_ERROR(placement({.device = "unet="}), invalid_argument, "unet=");
  EXPECT_ERROR(placement({.device = "unet=cpu,"}), invalid_argument, "unet=cpu,");
  EXPECT_ERROR(placement({.device = "unet=tpu"}), unsupported, "tpu");
  EXPECT_ERROR(placement({.device = "reference", .dtype = "float16"}), unsupported, "float16", "float32");
  EXPECT_ERROR(placement({.dtype = "int8"}), unsupported, "int8");
  EXPECT_ERROR(placement({.device = "cpu", .dtype = "unet=bfloat16,vae=int8"}), unsupported, "int8");
  EXPECT_ERROR(placement({.dtype = "vea=float32"}), invalid_argument, "dtype", "vea=float32");
  EXPECT_ERROR(chosen_backend({.device = "unet=cpu"}), invalid_argument, "unet=cpu", "one device");
}

TEST(Placement, HasADtypeForEachNetwork) {
  const Placement placed = placement({.device = "cpu", .dtype = "unet=bfloat16"});
  EXPECT_NE(&placed.unet, &placed.vae);
  EXPECT_EQ(&placed.vae, &placed.text_encoder);
}

TEST(Device, IsFoundByItsOwnName) {
  EXPECT_EQ(find_device("cpu").name, "cpu");
  EXPECT_EQ(find_device("cpu").dtype, "float32");
  EXPECT_EQ(find_device("cpu", "bfloat16").dtype, "bfloat16");
  EXPECT_EQ(find_device("auto", "float32").name, "cpu") << "what computes in it";
  EXPECT_ERROR(find_device("tpu"), unsupported, "tpu");
  EXPECT_EQ(find_device("cpu", "float16").dtype, "float16");
  EXPECT_ERROR(find_device("cuda:x"), invalid_argument, "cuda:x");
}

TEST(Placement, APipelineMovesWithItsAdapters) {
  for (const bool low_memory : {false, true}) {
    const Pipeline plain = Pipeline::load(test_checkpoint("tiny-sd15"), {.device = "cpu", .low_memory = low_memory});
    const Pipeline adapted = plain.with_loras({{IMPASTO_TEST_DATA "/adapters/lora_kohya.safetensors"}});
    const auto draw = [](const Pipeline& pipeline) {
      TextToImageOptions options;
      options.prompt = "a red boat", options.seed = 3, options.num_inference_steps = 2, options.width = options.height = 64;
      return pipeline.text_to_image(options).images;
    };
    const std::vector<Image> expected = draw(adapted);
    ASSERT_LT(close_share(expected.front().pixels, draw(plain)), 0.9) << "adapters change it";
    const Pipeline moved = adapted.with_device("unet=reference,vae=cpu,text_encoder=reference");
    EXPECT_GT(close_share(expected.front().pixels, draw(moved)), 0.999);
    EXPECT_EQ(draw(moved.with_device("cpu")).front().pixels, expected.front().pixels);
    EXPECT_ERROR(adapted.with_device("tpu"), unsupported, "tpu");
  }
}

/// A device with memory of its own, and less of it.
class SmallDevice : public ProfilingBackend {
 public:
  SmallDevice(std::int64_t bytes, DType features) : ProfilingBackend(backend_for("cpu")), bytes_(bytes), features_(features) {}
  std::string_view name() const override { return "small"; }
  bool shares_host_memory() const override { return false; }
  DType feature_type() const override { return features_; }
  std::int64_t available_memory() const override { return bytes_; }

 private:
  std::int64_t bytes_;
  DType features_;
};

TEST(Placement, ADrawingHasToFitTheDevicesMemory) {
  const Checkpoint checkpoint = Checkpoint::open(test_checkpoint("tiny-sd15"));
  TextToImageOptions options;
  options.prompt = "x";
  options.width = options.height = 512;
  const auto check = [&](Backend& unet, Backend& vae) {
    TextToImageResult ignored;
    checked(options, checkpoint, {unet, unet, vae}, ignored);
  };
  Backend& cpu = backend_for("cpu");
  const ActivationMemory needed = activation_memory(checkpoint.unet, checkpoint.vae, 512, 512, 1, /*guided=*/true);
  SmallDevice unet_fits(needed.unet, DType::float32), unet_short(needed.unet - 1, DType::float32), unet_half(needed.unet / 2, DType::float16);
  EXPECT_NO_THROW(check(unet_fits, cpu));
  EXPECT_ERROR(check(unet_short, cpu), out_of_memory, "512x512", "device \"small\"", "GB");
  EXPECT_NO_THROW(check(unet_half, cpu)) << "features of two bytes";
  SmallDevice vae_fits(needed.vae, DType::float32), vae_short(needed.vae - 1, DType::float32);
  EXPECT_NO_THROW(check(cpu, vae_fits));
  EXPECT_ERROR(check(cpu, vae_short), out_of_memory, "device \"small\"");
  options.width = options.height = 16384, options.num_images = 1000;
  EXPECT_ERROR(check(cpu, cpu), out_of_memory, "this machine");
}

/// Each network on a backend of its own: what one leaves, the next takes.
TEST(Placement, DrawsTheSamePictureOnTwoDevices) {
  for (const GoldenCase& golden : golden_cases("text_to_image")) {
    if (golden.checkpoint().find("tiny-sd15") == std::string::npos) continue;
    const auto options = options_of<TextToImageOptions>(golden);
    expect_result(golden, Pipeline::load(golden.checkpoint(), {.device = "unet=cpu,vae=reference,text_encoder=reference"}).text_to_image(options));
    expect_result(golden, Pipeline::load(golden.checkpoint(), {.device = "unet=reference,vae=cpu,text_encoder=cpu"}).text_to_image(options));
    return;
  }
  ADD_FAILURE() << "no case";
}

TEST(Placement, PicturesComeInOnTwoDevices) {
  const GoldenCase golden = golden_cases("image_to_image").front();
  auto options = options_of<ImageToImageOptions>(golden);
  options.image = image_of(golden, "image");
  options.strength = setting(golden, "strength", 0.8);
  const TextToImageResult one = Pipeline::load(golden.checkpoint(), {.device = "cpu"}).image_to_image(options);
  const TextToImageResult two = Pipeline::load(golden.checkpoint(), {.device = "unet=cpu,vae=reference"}).image_to_image(options);
  ASSERT_EQ(one.images.size(), two.images.size());
  EXPECT_GT(close_share(one.images.front().pixels, two.images), 0.999);
}

}  // namespace
}  // namespace impasto::test
