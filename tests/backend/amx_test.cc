// Products, convolutions and attention by tiles, on a processor that has them or on one whose tests carry them out.
#include <array>

#include "backend/backend_test.h"
#include "backend/cpu/conv.h"
#include "backend/sample.h"
#include "impasto/pipeline.h"
#include "support/amx_emulator.h"
#include "support/golden.h"

namespace impasto {
namespace {

class Amx : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::emulate_amx()) GTEST_SKIP() << "this processor has not the vectors that go with tiles";
    set_isa("amx");
  }
  void TearDown() override {
    set_isa("avx512_bf16");
    set_num_threads(0);
  }

  CpuBackend backend_{DType::bfloat16};
  std::unique_ptr<Backend> reference_ = make_reference_backend();
};

// Products of two bfloat16 are exact in float32, so only the sums round.
TEST_F(Amx, ProductsRoundTheirFactorsAndNothingElse) {
  for (const auto& [rows, in, out] : std::vector<std::array<std::int64_t, 3>>{
           {1, 1, 1}, {2, 3, 17}, {15, 32, 16}, {16, 33, 31}, {17, 64, 32}, {31, 63, 33}, {32, 96, 64}, {33, 31, 65}, {70, 100, 40}}) {
    for (bool gated : {false, true}) {
      const Sample x = Sample::random({1, rows, in}, 1), w = Sample::random({gated ? 2 * out : out, in}, 2, 0.3f, DType::float16);
      const Sample residual = Sample::random({1, rows, out}, 3), actual({1, rows, out}), expected({1, rows, out});
      const Epilogue e{.row_bias = {}, .activation = Activation::none, .residual = residual};
      backend_.linear(x, *backend_.pack_linear(w, {}, gated), e, actual);
      reference_->linear(x.rounded_to(DType::bfloat16), *reference_->pack_linear(w.rounded_to(DType::bfloat16), {}, gated), e, expected);
      Sample bound({1, rows, out});
      const double size = 0.3 * std::sqrt(static_cast<double>(in)) * 4;  // of a sum of magnitudes, four times over
      for (std::int64_t r = 0; r < rows; ++r)
        std::fill_n(bound.row(r), out, static_cast<float>(std::sqrt(static_cast<double>(in)) * size * (gated ? 3 * size : 1) + 4));
      EXPECT_TRUE(within(actual, expected, bound, rounding_of_sum(in))) << rows << " x " << in << " x " << out << (gated ? " gated" : "");
    }
  }
}

TEST_F(Amx, ProductsWhereDepthIsCut) {
  for (std::int64_t in : {511, 512, 513, 1300}) {
    const Sample x = Sample::random({1, 40, in}, 1), w = Sample::random({50, in}, 2, 0.1f, DType::bfloat16), actual({1, 40, 50}),
                 expected({1, 40, 50});
    Sample bound({1, 40, 50});
    for (std::int64_t r = 0; r < 40; ++r) std::fill_n(bound.row(r), 50, static_cast<float>(0.1 * static_cast<double>(in)));
    backend_.linear(x, *backend_.pack_linear(w, {}, false), {}, actual);
    reference_->linear(x.rounded_to(DType::bfloat16), *reference_->pack_linear(w, {}, false), {}, expected);
    EXPECT_TRUE(within(actual, expected, bound, rounding_of_sum(in))) << in;
  }
}

TEST_F(Amx, ConvolutionsAreDirectAndRoundTheirFactorsAndNothingElse) {
  for (int stride : {1, 2})
    for (const auto& [in, out] : std::vector<std::array<std::int64_t, 2>>{{3, 20}, {40, 33}}) {
      const ConvGeometry g{.kernel = 3, .stride = stride, .pad_begin = 1, .pad_end = 1, .upsample = 1};
      const Shape shape{2, g.output(9), g.output(8), out};
      const Sample x = Sample::random({2, 9, 8, in}, 1), w = Sample::random({out, in, 3, 3}, 2, 0.2f, DType::bfloat16), actual(shape),
                   expected(shape);
      Sample bound(shape);
      for (std::int64_t r = 0; r < shape.rows(); ++r) std::fill_n(bound.row(r), out, static_cast<float>(0.2 * 9 * static_cast<double>(in)));
      backend_.conv2d(x, *backend_.pack_conv2d(w, {}, g), {}, {}, actual);
      reference_->conv2d(x.rounded_to(DType::bfloat16), *reference_->pack_conv2d(w, {}, g), {}, {}, expected);
      EXPECT_TRUE(within(actual, expected, bound, rounding_of_sum(9 * in))) << in << " to " << out << ", stride " << stride;
    }
}

/// Multiples of 1/64 up to 15/64: sums of four are exact in bfloat16.
Sample coarse_weights(Shape shape, DType type) {
  Sample fine = Sample::random(shape, 2, 0.1f), coarse(shape, type);
  for (std::int64_t r = 0; r < shape.rows(); ++r)
    for (std::int64_t i = 0; i < shape.back(); ++i) {
      const float value = std::round(std::clamp(64 * fine.row(r)[i], -15.0f, 15.0f)) / 64;
      const std::int64_t at = r * shape.back() + i;
      if (type == DType::float32) coarse.view().as<float>()[at] = value;
      if (type == DType::float16) coarse.view().as<std::uint16_t>()[at] = float32_to_float16(value);
      if (type == DType::bfloat16) coarse.view().as<std::uint16_t>()[at] = float32_to_bfloat16(value);
    }
  return coarse;
}

// With weights whose sums need no rounding, so that the same bound holds; cropped maps and residuals go the direct way.
TEST_F(Amx, EnlargingConvolutionsGoByTheirPhases) {
  const ConvGeometry g{.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 2};
  for (DType stored : {DType::float32, DType::float16, DType::bfloat16})
    for (const auto& [height, width, in, out, cropped] :
         std::vector<std::array<std::int64_t, 5>>{{1, 1, 1, 1, 0}, {5, 4, 20, 33, 0}, {3, 40, 17, 70, 0}, {9, 7, 40, 16, 0}, {4, 5, 20, 33, 1}}) {
      const Shape shape{2, 2 * height - cropped, 2 * width - cropped, out};
      const Sample x = Sample::random({2, height, width, in}, 1), w = coarse_weights({out, in, 3, 3}, stored), bias = Sample::random({out}, 3);
      const Sample row_bias = Sample::random({2, out}, 4), residual = Sample::random(shape, 5), expected(shape);
      Sample bound(shape);
      for (std::int64_t r = 0; r < shape.rows(); ++r) std::fill_n(bound.row(r), out, static_cast<float>(0.25 * 9 * static_cast<double>(in) + 8));
      const auto packed = backend_.pack_conv2d(w, bias, g), plain = reference_->pack_conv2d(w, bias, g);
      EXPECT_EQ(static_cast<const ConvWeights&>(*packed).phases.size(), static_cast<std::size_t>(16 * in * out));
      for (bool added : {false, true}) {
        const Epilogue e{.row_bias = row_bias, .activation = Activation::none, .residual = added ? residual.view() : TensorView()};
        const Sample actual(shape, DType::float32, /*gap=*/3);
        backend_.conv2d(x, *packed, {}, e, actual);
        reference_->conv2d(x.rounded_to(DType::bfloat16), *plain, {}, e, expected);
        EXPECT_TRUE(within(actual, expected, bound, rounding_of_sum(9 * in)))
            << height << " x " << width << ", " << in << " to " << out << ", " << added;
        EXPECT_TRUE(actual.gaps_untouched());
      }
    }
}

TEST_F(Amx, ConvolutionsApplyTheirPrologueBeforeTheyRound) {
  const ConvGeometry g{.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 2};
  const Sample x = Sample::random({2, 5, 4, 20}, 1), w = coarse_weights({33, 20, 3, 3}, DType::bfloat16);
  const Sample scale = Sample::random({2, 20}, 3), shift = Sample::random({2, 20}, 4), mapped({2, 5, 4, 20}), actual({2, 10, 8, 33}),
               expected({2, 10, 8, 33});
  Sample bound({2, 10, 8, 33});
  for (std::int64_t r = 0; r < 160; ++r) std::fill_n(bound.row(r), 33, 0.25f * 9 * 20);
  backend_.conv2d(x, *backend_.pack_conv2d(w, {}, g), {scale, shift, Activation::silu}, {}, actual);
  CpuBackend().apply_affine(x, scale, shift, Activation::silu, mapped);
  reference_->conv2d(mapped.rounded_to(DType::bfloat16), *reference_->pack_conv2d(w, {}, g), {}, {}, expected);
  EXPECT_TRUE(within(actual, expected, bound, rounding_of_sum(180)));
}

// As in attention_test.cc: everything but the powers is exact, and those are off by 2^-9 of themselves.
TEST_F(Amx, AttentionRoundsFactorsAndPowersAndNothingElse) {
  constexpr float kScale = 0.693147182f;
  ASSERT_EQ(kScale * 1.44269504f, 1.0f);
  for (bool causal : {false, true})
    for (const auto& [tq, tk, d] : std::vector<std::array<std::int64_t, 3>>{{1, 1, 1},
                                                                            {31, 31, 3},
                                                                            {32, 77, 40},
                                                                            {33, 33, 8},
                                                                            {70, 300, 64},
                                                                            {300, 300, 24},
                                                                            {40, 20, 33},
                                                                            {17, 256, 160},
                                                                            {9, 40, 512},
                                                                            {5, 257, 31}}) {
      if (causal && tq != tk) continue;
      const float spread = 1 / std::sqrt(std::sqrt(static_cast<float>(d)));
      const Sample q = Sample::random({2, tq, 2 * d}, 1, spread).rounded_to(DType::bfloat16),
                   k = Sample::random({2, tk, 2 * d}, 2, spread).rounded_to(DType::bfloat16);
      const Sample v = Sample::random({2, tk, 2 * d}, 3).rounded_to(DType::bfloat16), actual({2, tq, 2 * d}), expected({2, tq, 2 * d}),
                   bound({2, tq, 2 * d});
      float largest = 0;
      for (std::int64_t r = 0; r < 2 * tk; ++r)
        for (std::int64_t c = 0; c < 2 * d; ++c) largest = std::max(largest, std::fabs(v.row(r)[c]));
      for (std::int64_t r = 0; r < 2 * tq; ++r) std::fill_n(bound.row(r), 2 * d, largest);
      backend_.attention(q, k, v, 2, kScale, causal, actual);
      reference_->attention(q, k, v, 2, kScale, causal, expected);
      EXPECT_TRUE(within(actual, expected, bound, 0x1p-9 + 1e-5)) << tq << " queries, " << tk << " keys, " << d << (causal ? ", causal" : "");
    }
}

TEST_F(Amx, ThreadsAndCompanyChangeNoBit) {
  const Sample x = Sample::random({2, 50, 70}, 1), w = Sample::random({40, 70}, 2, 0.2f, DType::float16), many({2, 50, 40}), alone({2, 50, 40});
  const Sample heads({2, 50, 70}), heads_alone({2, 50, 70});
  const auto packed = backend_.pack_linear(w, {}, false);
  set_num_threads(3);
  backend_.linear(x, *packed, {}, many);
  backend_.attention(x, x, x, 5, 0.2f, false, heads);
  set_num_threads(1);
  for (std::int64_t k = 0; k < 2; ++k) {
    backend_.linear(x.image(k), *packed, {}, alone.image(k));
    backend_.attention(x.image(k), x.image(k), x.image(k), 5, 0.2f, false, heads_alone.image(k));
  }
  EXPECT_TRUE(many.same_bits(alone));
  EXPECT_TRUE(heads.same_bits(heads_alone));
}

TEST_F(Amx, LetsNotANumberThroughToItsOwnRowOnly) {
  Sample x = Sample::random({20, 40}, 1), out({20, 40});
  const Sample w = Sample::random({40, 40}, 2);
  x.row(4)[3] = std::nanf("");
  backend_.linear(x, *backend_.pack_linear(w, {}, false), {}, out);
  for (int r = 0; r < 20; ++r)
    for (int c = 0; c < 40; ++c) EXPECT_EQ(std::isnan(out.row(r)[c]), r == 4);
}

TEST_F(Amx, APictureIsCloseToFloat32s) {
  TextToImageOptions options;
  options.prompt = "a boat at sunset";
  options.num_inference_steps = 1, options.seed = 7, options.height = options.width = 64;
  const Pipeline exact = Pipeline::load(test::test_checkpoint("tiny-sd15"), {.dtype = "float32"});
  const Pipeline pipeline = Pipeline::load(test::test_checkpoint("tiny-sd15"), {.dtype = "bfloat16"});
  const auto expected = exact.text_to_image(options), result = pipeline.text_to_image(options);
  double sum = 0;
  for (std::size_t i = 0; i < result.images[0].pixels.size(); ++i) sum += std::pow(result.images[0].pixels[i] - expected.images[0].pixels[i], 2);
  EXPECT_LT(std::sqrt(sum / static_cast<double>(result.images[0].pixels.size())), 255 * std::pow(10, -35 / 20.0)) << "35 dB";
  EXPECT_NE(result.latents.values, expected.latents.values);
}

}  // namespace
}  // namespace impasto
