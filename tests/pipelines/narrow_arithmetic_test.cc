// Pictures drawn in bfloat16 and float16 beside those in float32.
#include <cmath>

#include "backend/cpu/isa.h"
#include "core/threads.h"
#include "impasto/pipeline.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

/// Peak signal-to-noise ratio in decibels, infinite for equal pictures.
double psnr(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::pow(a.pixels[i] - b.pixels[i], 2);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.pixels.size()) / sum);
}

class NarrowArithmetic : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    options_.prompt = "a boat at sunset";
    options_.num_inference_steps = 4;
    options_.seed = 7;
    options_.scheduler = "euler_a";
    options_.height = options_.width = 128;
  }
  void TearDown() override {
    set_isa(available_isas().back());
    set_num_threads(0);
  }

  TextToImageOptions options_;
};

INSTANTIATE_TEST_SUITE_P(DType, NarrowArithmetic, ::testing::Values("bfloat16", "float16"), [](const auto& info) { return info.param; });

// Random weights magnify roundings, and tiny-sd21, whose groups of channels hold few values, by 10 dB more than tiny-sd15 (trained
// weights far less: 52 dB and above on the built-in model).
TEST_P(NarrowArithmetic, PictureIsCloseToFloat32sOnEveryIsa) {
  struct Case {
    const char* checkpoint;
    double decibels;
  };
  for (const Case& c : {Case{"tiny-sd15", 35}, Case{"tiny-sd21", 28}}) {
    const Pipeline exact = Pipeline::load(test_checkpoint(c.checkpoint), {.dtype = "float32"});
    const Pipeline pipeline = Pipeline::load(test_checkpoint(c.checkpoint), {.dtype = GetParam()});
    for (std::string_view isa : available_isas()) {
      set_isa(isa);
      const auto expected = exact.text_to_image(options_), result = pipeline.text_to_image(options_);
      EXPECT_GT(psnr(result.images[0], expected.images[0]), c.decibels) << c.checkpoint << " on " << isa;
      const bool computes_in_it = GetParam() == "bfloat16" || has_float16_instructions();
      EXPECT_EQ(result.latents.values != expected.latents.values, computes_in_it) << isa;
    }
  }
}

TEST_P(NarrowArithmetic, ImageOfABatchEqualsTheImageDrawnAloneWithAnyNumberOfThreads) {
  const Pipeline pipeline = Pipeline::load(test_checkpoint("tiny-sd15"), {.dtype = GetParam()});
  options_.num_images = 2;
  const auto batch = pipeline.text_to_image(options_);
  options_.num_images = 1;
  for (std::size_t k = 0; k < 2; ++k) {
    options_.seed = batch.seeds[k];
    set_num_threads(static_cast<int>(3 * k + 1));
    EXPECT_EQ(pipeline.text_to_image(options_).images[0].pixels, batch.images[k].pixels) << "image " << k;
  }
}

}  // namespace
}  // namespace impasto::test
