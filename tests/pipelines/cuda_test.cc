// Networks and whole pipelines on a GPU, against diffusers' float32 numbers. Skipped where there is no GPU.
#include <cmath>
#include <cstdlib>
#include <thread>

#include "backend/cuda/cuda.h"
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "support/networks.h"
#include "support/pipeline_cases.h"

namespace impasto::test {
namespace {

class CudaPipeline : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (count_cuda_devices() == 0) GTEST_SKIP() << "no CUDA device";
    gpu_ = &backend_for("cuda", GetParam());
  }
  LoadOptions load() const { return {.device = "cuda", .dtype = to_string(GetParam())}; }

  /// Roundings of 2^-11 (2^-8) at each of some hundred operations in a row, each of a size with what it rounds, add up as a random walk and grow by
  /// what a network magnifies: 2 % of the output's size, eight times that in bfloat16.
  double allowed() const { return GetParam() == DType::float16 ? 0.02 : 0.16; }
  /// Decibels that a picture keeps.
  double decibels() const { return GetParam() == DType::float16 ? 35 : 20; }
  /// How far roundings of this type take a case's latents, as a share of their size: as much further than those of float32 took the reference itself
  /// as they are larger. Random weights magnify, those of a trained network do not.
  double predicted(const GoldenCase& golden) const {
    const Json& t = golden.record().at("tolerance").at("latents");
    return t.at("error").get<double>() / t.at("max_abs").get<double>() * (GetParam() == DType::float16 ? 0x1p13 : 0x1p16);
  }

  testing::AssertionResult near(const GoldenCase& golden, const std::string& name, const std::vector<float>& got) const {
    const std::vector<float> expected = golden.floats(name);
    if (got.size() != expected.size()) return testing::AssertionFailure() << got.size() << " values, expected " << expected.size();
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      difference += std::pow(static_cast<double>(got[i]) - expected[i], 2);
      size += std::pow(static_cast<double>(expected[i]), 2);
    }
    const double relative = std::sqrt(difference / size);
    if (relative <= allowed()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << golden.name() << " " << name << ": off by " << relative << " of its size, allowed " << allowed();
  }

  Backend* gpu_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Features, CudaPipeline, testing::Values(DType::float16, DType::bfloat16),
                         [](const testing::TestParamInfo<DType>& info) { return std::string(to_string(info.param)); });

double psnr(const std::vector<std::uint8_t>& expected, const std::vector<Image>& images) {
  double square = 0;
  std::size_t i = 0;
  for (const Image& image : images)
    for (const std::uint8_t value : image.pixels) square += std::pow(static_cast<double>(value) - expected.at(i++), 2);
  return 10 * std::log10(255.0 * 255.0 / (square / static_cast<double>(i) + 1e-12));
}

TEST_P(CudaPipeline, TextEncoderIsNearDiffusers) {
  const auto cases = golden_cases("text");
  EXPECT_GE(cases.size(), 2u);
  for (const GoldenCase& golden : cases) {
    const ClipText encoder(ClipTextConfig::parse(component_config(golden.checkpoint(), "text_encoder")),
                           component_weights(golden.checkpoint(), "text_encoder"), *gpu_);
    const std::vector<std::int32_t> ids = golden.ints("input_ids");
    EXPECT_TRUE(near(golden, "last_hidden_state", encoder.forward(ids, golden.shape("input_ids")[0]).to_host()));
  }
}

TEST_P(CudaPipeline, UNetIsNearDiffusersAtEveryCall) {
  int cases = 0;
  for (const char* group : {"unet", "xl_unet"})
    for (const GoldenCase& golden : golden_cases(group)) {
      if (!golden.has("out")) continue;
      const bool few_pixels = golden.shape("sample")[2] * golden.shape("sample")[3] < 16;  // groups of a few values: a variance near zero magnifies
      if (few_pixels) continue;
      const UNet unet(UNetConfig::parse(component_config(golden.checkpoint(), "unet")), component_weights(golden.checkpoint(), "unet"), *gpu_);
      UNetContext context{tensor_of(golden, "context", *gpu_)};
      if (golden.has("pooled")) context.pooled = tensor_of(golden, "pooled", *gpu_), context.ids = tensor_of(golden, "time_ids", *gpu_);
      const UNet::Conditioning conditioning = unet.condition(context);
      std::vector<float> first;
      for (int call = 0; call < 4; ++call) {  // run, recorded, replayed, replayed for another conditioning of the same
        const Tensor out = ops::nhwc_to_nchw(
            unet.forward(map_of(golden, "sample", *gpu_), golden.settings().at("timestep"), call < 3 ? conditioning : unet.condition(context)));
        if (call == 0) first = out.to_host();
        EXPECT_TRUE(near(golden, "out", out.to_host())) << "call " << call;
        if (call > 1) {
          EXPECT_EQ(out.to_host(), first) << "call " << call;
        }
      }
      ++cases;
    }
  EXPECT_GE(cases, 8);
}

TEST_P(CudaPipeline, VaeIsNearDiffusers) {
  int decoded = 0, encoded = 0;
  for (const GoldenCase& golden : golden_cases("vae")) {
    if (golden.settings().contains("tile_latent_min_size")) continue;
    const VaeConfig config = VaeConfig::parse(component_config(golden.checkpoint(), "vae"));
    const auto weights = component_weights(golden.checkpoint(), "vae");
    if (golden.has("latents")) {
      EXPECT_TRUE(near(golden, "image", ops::nhwc_to_nchw(VaeDecoder(config, weights, *gpu_).forward(map_of(golden, "latents", *gpu_))).to_host()));
      ++decoded;
    } else {
      const Tensor posterior = ops::nhwc_to_nchw(VaeEncoder(config, weights, *gpu_).forward(map_of(golden, "image", *gpu_)));  // [1, 2c, h, w]
      std::vector<float> mean = posterior.to_host();
      if (posterior.dim(0) != 1) continue;
      mean.resize(mean.size() / 2);
      EXPECT_TRUE(near(golden, "mean", mean));
      ++encoded;
    }
  }
  EXPECT_GE(decoded, 2);
  EXPECT_GE(encoded, 2);
}

TEST_P(CudaPipeline, PicturesAreDiffusers) {
  constexpr double kMeaningful = 0.2;
  int cases = 0;
  for (const char* group : {"text_to_image", "xl_text_to_image"})
    for (const GoldenCase& golden : golden_cases(group)) {
      const TextToImageResult result = Pipeline::load(golden.checkpoint(), load()).text_to_image(options_of<TextToImageOptions>(golden));
      if (!golden.has("picture") || predicted(golden) > kMeaningful) continue;
      EXPECT_GE(psnr(golden.bytes("picture"), result.images), decibels()) << golden.name();
      ++cases;
    }
  EXPECT_GE(cases, 4);
}

TEST_P(CudaPipeline, DrawsTheSameAgain) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), load());
  TextToImageOptions options;
  options.prompt = "a cat", options.num_inference_steps = 6, options.seed = 5, options.height = options.width = 64;
  const Image first = pipeline.text_to_image(options).images.front();
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(pipeline.text_to_image(options).images.front().pixels, first.pixels) << turn;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back([&] { EXPECT_EQ(pipeline.text_to_image(options).images.front().pixels, first.pixels); });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(CudaPipeline, AThousandPicturesTakeNoMoreMemory) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), load());
  TextToImageOptions options;
  options.prompt = "a cat", options.num_inference_steps = 2, options.height = options.width = 64;
  const auto free_after = [&](int pictures) {
    for (int i = 0; i < pictures; ++i) {
      options.seed = static_cast<std::uint64_t>(i);
      pipeline.text_to_image(options);
    }
    return gpu_->available_memory();
  };
  const std::int64_t before = free_after(5), after = free_after(1000);
  EXPECT_GE(after, before);
}

TEST_P(CudaPipeline, NetworksWorkOnDifferentDevices) {
  TextToImageOptions options;
  options.prompt = "a cat", options.num_inference_steps = 4, options.seed = 5, options.height = options.width = 64;
  const auto draw = [&](const std::string& device) {
    return Pipeline::load(test_checkpoint("tiny-sd15"), {.device = device}).text_to_image(options).images;
  };
  const std::vector<std::uint8_t> expected = draw("cpu").front().pixels;
  for (const char* device : {"unet=cuda,vae=cpu,text_encoder=cpu", "unet=cpu,vae=cuda,text_encoder=cuda", "cuda"})
    EXPECT_GE(psnr(expected, draw(device)), 35) << device;
}

TEST_P(CudaPipeline, AdaptersAndEveryTaskWork) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), load()),
                 cpu = Pipeline::load(test_checkpoint("tiny-sd15"), {.device = "cpu"});
  TextToImageOptions text;
  text.prompt = "a (red:1.3) cat", text.prompt_syntax = PromptSyntax::a1111, text.num_inference_steps = 4, text.seed = 9,
  text.height = text.width = 64;
  text.num_images = 3;
  EXPECT_EQ(pipeline.text_to_image(text).images.size(), 3u);
  text.num_images = 1, text.deep_cache_interval = 2;
  EXPECT_GE(psnr(cpu.text_to_image(text).images.front().pixels, pipeline.text_to_image(text).images), decibels());
  text.deep_cache_interval = 1, text.token_merging_ratio = 0.5f;
  EXPECT_EQ(pipeline.text_to_image(text).images.size(), 1u);
  ImageToImageOptions again;
  static_cast<TextToImageOptions&>(again) = text;
  again.token_merging_ratio = 0;
  again.image = cpu.text_to_image(text).images.front();
  again.strength = 0.6f;
  EXPECT_GE(psnr(cpu.image_to_image(again).images.front().pixels, pipeline.image_to_image(again).images), decibels());
}

}  // namespace
}  // namespace impasto::test
