// The CPU's float16: factors of all products, and sums of up to 64 of them, are float16 where the processor has instructions for it.
//
// Small integers show every fault of places and ends: their sums are exact in float16, so that results equal the reference's to the bit. Random
// numbers show that no more is rounded than that: a chain of n <= 64 products rounds n times, each by up to 2^-11 of the sum so far, which is
// independent at each step; with sums that grow to S that is 2^-11 S sqrt(n) / 3 in the mean, and 2^-11 S 2 sqrt(n) six times as much.
#include <array>

#include "backend/backend_test.h"
#include "backend/registry.h"
#include "backend/sample.h"

namespace impasto {
namespace {

constexpr std::int64_t kChain = 64;

double rounding_of_chains(std::int64_t k) { return 0x1p-11 * 2 * std::sqrt(static_cast<double>(std::min(k, kChain))) + rounding_of_sum(k); }

/// Integers from -most to most; in 16 bits too.
Sample integers(Shape shape, std::uint32_t seed, int most, DType dtype = DType::float32) {
  const Sample s(shape, dtype);
  std::mt19937 bits(seed);
  for (std::int64_t r = 0; r < shape.rows(); ++r)
    for (std::int64_t i = 0; i < shape.back(); ++i) {
      const auto x = static_cast<float>(static_cast<int>(bits() % static_cast<unsigned>(2 * most + 1)) - most);
      const TensorView v = s;
      if (dtype == DType::float32) {
        s.row(r)[i] = x;
      } else {
        v.as<std::uint16_t>()[r * shape.back() + i] = dtype == DType::float16 ? float32_to_float16(x) : float32_to_bfloat16(x);
      }
    }
  return s;
}

class Float16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_float16_instructions()) GTEST_SKIP() << "this processor has no AVX512-FP16";
    ASSERT_EQ(backend_.factor_type(), DType::float16);
  }
  void TearDown() override {
    set_isa(available_isas().back());
    set_num_threads(0);
  }

  void expect_exact_product(std::int64_t rows, std::int64_t in, std::int64_t out, DType stored, bool gated = false) {
    const Sample x = integers({rows, in}, 1, 2), w = integers({gated ? 2 * out : out, in}, 2, 2, stored);
    const Sample actual({rows, out}), expected({rows, out});
    backend_.linear(x, *backend_.pack_linear(w, {}, gated), {}, actual);
    Backend& other = gated ? float32_ : *reference_;  // whose gelu rounds as ours does
    other.linear(x, *other.pack_linear(w, {}, gated), {}, expected);
    EXPECT_TRUE(within(actual, expected, expected.magnitudes(), 0)) << rows << " x " << in << " x " << out << " " << to_string(stored);
  }

  void expect_exact_conv(const ConvGeometry& g, std::int64_t height, std::int64_t width, std::int64_t in, std::int64_t out) {
    const Sample x = integers({2, height, width, in}, 1, 2), w = integers({out, in, g.kernel, g.kernel}, 2, 2, DType::float16);
    const Sample actual({2, g.output(height), g.output(width), out}), expected({2, g.output(height), g.output(width), out});
    backend_.conv2d(x, *backend_.pack_conv2d(w, {}, g), {}, {}, actual);
    reference_->conv2d(x, *reference_->pack_conv2d(w, {}, g), {}, {}, expected);
    EXPECT_TRUE(within(actual, expected, expected.magnitudes(), 0)) << height << " x " << width << ", " << in << " to " << out;
  }

  CpuBackend backend_{DType::float16}, float32_;
  std::unique_ptr<Backend> reference_ = make_reference_backend();
};

TEST_F(Float16, ProductsOfSmallIntegersAreExactAtEveryRemainder) {
  for (std::int64_t rows : {1, 2, 5, 11, 12, 13, 27})
    for (std::int64_t out : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130})
      for (std::int64_t in : {1, 2, 3, 4, 5, 16, 37, 63, 64, 65, 128, 131})
        expect_exact_product(rows, in, out, std::array{DType::float32, DType::float16, DType::bfloat16}[(rows + out + in) % 3]);
}

TEST_F(Float16, ProductsOfSmallIntegersAreExactWhereDepthAndPanelsAreCut) {
  for (std::int64_t in : {639, 640, 641, 1300, 2560}) expect_exact_product(30, in, 200, DType::float16);
  expect_exact_product(500, 700, 640, DType::float16);
  for (std::int64_t out : {1, 16, 31, 32, 33, 80}) expect_exact_product(14, 100, out, DType::float16, /*gated=*/true);
}

TEST_F(Float16, RoundsFactorsAndSumsOfAChainAndNothingElse) {
  for (std::int64_t in : {3, 64, 320, 1283}) {
    const Sample x = Sample::random({40, in}, 1), w = Sample::random({100, in}, 2, 0.3f, DType::bfloat16), bias = Sample::random({100}, 3);
    const Sample row_bias = Sample::random({1, 100}, 4), residual = Sample::random({1, 40, 100}, 5), actual({1, 40, 100}), expected({1, 40, 100});
    Sample magnitude({1, 40, 100});
    const Epilogue e{.row_bias = row_bias, .activation = Activation::silu, .residual = residual};
    TensorView tokens = x;
    tokens.shape = {1, 40, in};
    backend_.linear(tokens, *backend_.pack_linear(w, bias, false), e, actual);
    Sample rounded = x.rounded_to(DType::float16);
    TensorView rounded_tokens = rounded;
    rounded_tokens.shape = {1, 40, in};
    reference_->linear(rounded_tokens, *reference_->pack_linear(w.rounded_to(DType::float16), bias, false), e, expected);
    const Sample magnitudes = x.magnitudes();
    TensorView magnitude_tokens = magnitudes;
    magnitude_tokens.shape = {1, 40, in};
    reference_->linear(magnitude_tokens, *reference_->pack_linear(w.magnitudes(), bias.magnitudes(), false), {}, magnitude);
    for (std::int64_t r = 0; r < 40; ++r)
      for (std::int64_t i = 0; i < 100; ++i)
        magnitude.row(r)[i] = 1.2f * (magnitude.row(r)[i] + std::fabs(row_bias.row(0)[i])) + std::fabs(residual.row(r)[i]);
    EXPECT_TRUE(within(actual, expected, magnitude, rounding_of_chains(in))) << in;
  }
}

constexpr ConvGeometry kStrided{.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1, .upsample = 1};
constexpr ConvGeometry kPointwise{.kernel = 1, .stride = 1, .pad_begin = 0, .pad_end = 0, .upsample = 1};
constexpr ConvGeometry kSame{.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 1};
constexpr ConvGeometry kEnlarged{.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 2};

TEST_F(Float16, DirectConvolutionsOfSmallIntegersAreExact) {
  for (std::int64_t in : {3, 16, 48, 150})
    for (std::int64_t out : {17, 64, 70}) {
      expect_exact_conv(kStrided, 9, 6, in, out);
      expect_exact_conv(kPointwise, 5, 7, in, out);
    }
}

// Winograd's points have sums of up to 64 products, each off by 2^-11 sqrt(64 / 6) of its size, and the way back weighs them by up to 64: five
// times that, 8e-3, measured for 128 and 320 channels; six times as much for the largest.
TEST_F(Float16, WinogradsConvolutionsAreWithinTheErrorOfTheirChains) {
  for (const ConvGeometry& g : {kSame, kEnlarged})
    for (const auto& [height, width, in, out] :
         std::vector<std::array<std::int64_t, 4>>{{8, 8, 3, 17}, {5, 11, 16, 64}, {6, 5, 64, 65}, {9, 34, 20, 130}, {8, 8, 200, 20}}) {
      const Sample x = Sample::random({2, height, width, in}, 1), w = Sample::random({out, in, 3, 3}, 2, 0.1f, DType::float16),
                   bias = Sample::random({out}, 3);
      const Sample scale = Sample::random({2, in}, 4), shift = Sample::random({2, in}, 5);
      const Shape shape{2, g.output(height), g.output(width), out};
      const Sample actual(shape), expected(shape), largest(shape), by_float32(shape);
      const Prologue prologue{scale, shift, Activation::silu};
      backend_.conv2d(x, *backend_.pack_conv2d(w, bias, g), prologue, {}, actual);
      reference_->conv2d(x, *reference_->pack_conv2d(w, bias, g), prologue, {}, expected);
      float peak = 0;
      for (std::int64_t r = 0; r < shape.rows(); ++r)
        for (std::int64_t i = 0; i < out; ++i) peak = std::max(peak, std::fabs(expected.row(r)[i]));
      for (std::int64_t r = 0; r < shape.rows(); ++r) std::fill_n(largest.row(r), out, peak);
      EXPECT_TRUE(within(actual, expected, largest, 6 * 8e-3)) << height << " x " << width << ", " << in << " to " << out;
      float32_.conv2d(x, *float32_.pack_conv2d(w, bias, g), prologue, {}, by_float32);
      EXPECT_FALSE(actual.same_bits(by_float32)) << "float16 was asked for";
    }
}

TEST_F(Float16, ANetworksLastOutputsAreFloat32s) {
  const Sample x = Sample::random({1, 9, 9, 64}, 1), w = Sample::random({4, 64, 3, 3}, 2, 0.1f, DType::float16), actual({1, 9, 9, 4}),
               expected({1, 9, 9, 4});
  backend_.conv2d(x, *backend_.pack_conv2d(w, {}, kSame), {}, {}, actual);
  float32_.conv2d(x, *float32_.pack_conv2d(w, {}, kSame), {}, {}, expected);
  EXPECT_TRUE(actual.same_bits(expected));
}

TEST_F(Float16, NetworksThatLeaveItsRangeAreFloat32s) {
  Backend& half = backend_for("cpu", DType::float16);
  EXPECT_EQ(half.factor_type(), DType::float16);
  EXPECT_EQ(&half.with_wide_range(), &backend_for("cpu", DType::float32));
}

/// One image; heads side by side.
struct Tokens {
  Sample q, k, v;
  int heads;

  Sample run(Backend& backend, float scale, bool causal = false) const {
    const Sample out(q.view().shape);
    backend.attention(q, k, v, heads, scale, causal, out);
    return out;
  }
};

// Scores are small integers, exact, so that powers of two are exact, and sums of up to 64 times 1 or -1 are.
TEST_F(Float16, AttentionToSmallIntegersIsExactButForItsDivision) {
  constexpr float kScale = 0.693147182f;
  ASSERT_EQ(kScale * 1.44269504f, 1.0f);
  for (std::int64_t tq : {1, 15, 16, 31, 32, 33, 64, 65, 95, 96, 97, 129, 770})
    for (std::int64_t tk : {1, 7, 8, 9, 63, 64, 65, 77, 255, 256, 257, 400})
      for (std::int64_t d : {1, 3, 7, 8, 9, 16, 40}) {
        if ((tq + tk + d) % 5 != 0 && tq != 33 && tk != 65) continue;
        Tokens t{integers({1, tq, 2 * d}, 1, 1), integers({1, tk, 2 * d}, 2, 0), integers({1, tk, 2 * d}, 3, 1), 2};
        for (std::int64_t j = 0; j < tk; ++j)
          t.k.row(j)[j % d] = static_cast<float>(j % 2), t.k.row(j)[d + (j + 1) % d] = static_cast<float>(j % 3 == 0);
        const Sample expected = t.run(*reference_, kScale), ones = integers({1, tq, 2 * d}, 1, 0);
        for (std::int64_t i = 0; i < tq; ++i) std::fill_n(ones.row(i), 2 * d, 1.0f);
        EXPECT_TRUE(within(t.run(backend_, kScale), expected, ones, 2e-6)) << tq << " queries, " << tk << " keys, " << d;
        if (tq == tk) {
          EXPECT_TRUE(within(t.run(backend_, kScale, true), t.run(*reference_, kScale, true), ones, 2e-6)) << "causal " << tq << ", " << d;
        }
      }
}

TEST_F(Float16, CausalAttentionSeesNoLaterKey) {
  constexpr float kScale = 0.693147182f;
  for (std::int64_t n : {1, 8, 9, 31, 32, 33, 77, 96, 97, 256, 257, 300}) {
    const Tokens t{integers({1, n, 16}, 1, 1), integers({1, n, 16}, 2, 1), integers({1, n, 16}, 3, 1), 2};
    Sample bound({1, n, 16});
    for (std::int64_t i = 0; i < n; ++i) std::fill_n(bound.row(i), 16, 1.0f);
    EXPECT_TRUE(within(t.run(backend_, kScale, true), t.run(*reference_, kScale, true), bound, rounding_of_chains(kChain))) << n;
  }
}

// A score is off by what its chain of d products of up to 1 rounds, a weight by as much of itself and by 2^-10 for its power, and an output, a mean
// of values below 5, by the mean of all those and of its own chains.
TEST_F(Float16, AttentionRoundsFactorsScoresAndPowersAndNothingElse) {
  for (const auto& [tq, tk, d] :
       std::vector<std::array<std::int64_t, 3>>{{64, 77, 40}, {300, 300, 64}, {50, 520, 80}, {33, 70, 160}, {20, 40, 512}}) {
    const float spread = 1 / std::sqrt(std::sqrt(static_cast<float>(d)));
    const Tokens random{Sample::random({1, tq, d}, 1, spread), Sample::random({1, tk, d}, 2, spread), Sample::random({1, tk, d}, 3), 1};
    const Tokens t{random.q.rounded_to(DType::float16), random.k.rounded_to(DType::float16), random.v.rounded_to(DType::float16), 1};
    Sample bound({1, tq, d});
    for (std::int64_t i = 0; i < tq; ++i) std::fill_n(bound.row(i), d, 1.0f);
    const double score = 0x1p-11 * std::sqrt(static_cast<double>(d)) * 2;  // of scores up to 6, whose sum so far is about that of the whole
    EXPECT_TRUE(within(t.run(backend_, 1.0f), t.run(*reference_, 1.0f), bound, score + 0x1p-10 + rounding_of_chains(tk)))
        << tq << ", " << tk << ", " << d;
  }
}

TEST_F(Float16, ThreadsAndCompanyChangeNoBit) {
  const Sample x = Sample::random({3, 90, 200}, 1), w = Sample::random({300, 200}, 2, 0.2f, DType::float16);
  const Sample map = Sample::random({3, 19, 13, 70}, 3), filter = Sample::random({80, 70, 3, 3}, 4, 0.1f, DType::float16);
  const auto packed = backend_.pack_linear(w, {}, false), packed_filter = backend_.pack_conv2d(filter, {}, kSame);
  const Sample product({3, 90, 300}), maps({3, 19, 13, 80}), heads({3, 90, 200});
  set_num_threads(7);
  backend_.linear(x, *packed, {}, product);
  backend_.conv2d(map, *packed_filter, {}, {}, maps);
  backend_.attention(x, x, x, 5, 0.1f, false, heads);
  const Sample product_alone({3, 90, 300}), maps_alone({3, 19, 13, 80}), heads_alone({3, 90, 200});
  set_num_threads(1);
  for (std::int64_t k = 0; k < 3; ++k) {
    backend_.linear(x.image(k), *packed, {}, product_alone.image(k));
    backend_.conv2d(map.image(k), *packed_filter, {}, {}, maps_alone.image(k));
    backend_.attention(x.image(k), x.image(k), x.image(k), 5, 0.1f, false, heads_alone.image(k));
  }
  EXPECT_TRUE(product.same_bits(product_alone));
  EXPECT_TRUE(maps.same_bits(maps_alone));
  EXPECT_TRUE(heads.same_bits(heads_alone));
}

TEST_F(Float16, WhatLeavesItsRangeIsNotFinite) {
  Sample x = Sample::random({3, 64}, 1), out({3, 70});
  const Sample w = integers({70, 64}, 2, 1, DType::float16);
  std::fill_n(x.row(1), 64, 70000.0f);
  x.row(2)[5] = std::nanf("");
  backend_.linear(x, *backend_.pack_linear(w, {}, false), {}, out);
  for (int i = 0; i < 70; ++i) {
    EXPECT_TRUE(std::isfinite(out.row(0)[i]));
    EXPECT_FALSE(std::isfinite(out.row(1)[i]));
    EXPECT_TRUE(std::isnan(out.row(2)[i]));
  }
  const Tokens t{Sample::random({1, 40, 8}, 1, 300.0f), Sample::random({1, 40, 8}, 2, 300.0f), Sample::random({1, 40, 8}, 3), 1};
  const Sample lost = t.run(backend_, 1.0f);
  EXPECT_FALSE(backend_.is_finite(lost)) << "scores beyond 65504";
}

TEST(Float16OnAnyProcessor, WithoutInstructionsIsFloat32) {
  CpuBackend half(DType::float16), single;
  const Sample x = Sample::random({20, 100}, 1), w = Sample::random({70, 100}, 2), a({20, 70}), b({20, 70});
  for (std::string_view name : available_isas()) {
    set_isa(name);
    if (has_float16_instructions()) continue;
    EXPECT_EQ(half.factor_type(), DType::float32);
    EXPECT_EQ(&half.with_wide_range(), &half);
    half.linear(x, *half.pack_linear(w, {}, false), {}, a);
    single.linear(x, *single.pack_linear(w, {}, false), {}, b);
    EXPECT_TRUE(a.same_bits(b)) << name;
  }
  set_isa(available_isas().back());
}

}  // namespace
}  // namespace impasto
