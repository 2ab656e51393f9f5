#include "schedulers/prediction.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "core/rng.h"
#include "stand_in.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

std::vector<float> normal(std::uint64_t seed, std::size_t n) {
  std::vector<float> values(n);
  TorchGenerator(seed).randn(values.data(), static_cast<std::int64_t>(n));
  return values;
}

// A network that predicts exactly, in each of the three ways, at unit variance and not.
TEST(Prediction, FindsCleanAndNoiseWhateverIsPredicted) {
  const std::vector<float> clean = normal(1, 24), noise = normal(2, 24);
  const Shape shape = {2, 3, 4};
  for (const NoiseLevel& level : {NoiseLevel::from_ratio(0.3), NoiseLevel::from_ratio(5), NoiseLevel::exploding(0.3), NoiseLevel::exploding(5)}) {
    std::vector<float> v(24);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(level.alpha * noise[i] - level.sigma * clean[i]);
    const Tensor sample = add_noise(level, test::tensor(shape, clean), test::tensor(shape, noise));
    const std::pair<PredictionType, std::vector<float>> outputs[] = {
        {PredictionType::epsilon, noise}, {PredictionType::v_prediction, v}, {PredictionType::sample, clean}};
    for (const auto& [type, output] : outputs) {
      const std::vector<float> found_clean = predict_clean(type, level, test::tensor(shape, output), sample).to_host();
      const std::vector<float> found_noise = predict_noise(type, level, test::tensor(shape, output), sample).to_host();
      // Dividing by alpha or sigma (at least 0.19) magnifies a few roundings of values below 20.
      for (std::size_t i = 0; i < clean.size(); ++i) {
        EXPECT_NEAR(found_clean[i], clean[i], 20 * 8 * 0x1p-24 / 0.19);
        EXPECT_NEAR(found_noise[i], noise[i], 20 * 8 * 0x1p-24 / 0.19);
      }
    }
  }
}

TEST(Prediction, ReadsItsType) {
  EXPECT_EQ(read_prediction_type(JsonObject(Json::object(), "test")), PredictionType::epsilon);
  EXPECT_EQ(read_prediction_type(JsonObject({{"prediction_type", "v_prediction"}}, "test")), PredictionType::v_prediction);
  EXPECT_ERROR(read_prediction_type(JsonObject({{"prediction_type", "flow_prediction"}}, "test")), unsupported, "flow_prediction", "epsilon");
}

TEST(CleanLimits, ClipsOnlyWhenAsked) {
  const Tensor x = test::tensor({1, 4}, {-3, -0.5f, 0.5f, 3});
  const JsonObject nothing(Json::object(), "test"), two({{"clip_sample", true}, {"clip_sample_range", 2}}, "test");
  EXPECT_EQ(CleanLimits::clipping(nothing, false).apply(x).to_host(), x.to_host());
  EXPECT_EQ(CleanLimits::clipping(nothing, true).apply(x).to_host(), (std::vector<float>{-1, -0.5f, 0.5f, 1}));
  EXPECT_EQ(CleanLimits::any(two, false).apply(x).to_host(), (std::vector<float>{-2, -0.5f, 0.5f, 2}));
  EXPECT_EQ(CleanLimits::thresholding(two).apply(x).to_host(), x.to_host());
}

// Each image by its own quantile: sort, interpolate, at least 1, at most the maximum; clip and divide.
TEST(CleanLimits, ThresholdsEachImageByItsQuantile) {
  constexpr double kRatio = 0.9, kMost = 1.5;
  const JsonObject config({{"thresholding", true}, {"dynamic_thresholding_ratio", kRatio}, {"sample_max_value", kMost}, {"clip_sample", true}},
                          "test");
  for (std::size_t n : {1u, 2u, 7u, 11u, 64u}) {
    std::vector<float> values = normal(n, 2 * n);
    for (std::size_t i = 0; i < n; ++i) values[i] *= 1.2f;
    const std::vector<float> got = CleanLimits::any(config, true).apply(test::tensor({2, static_cast<std::int64_t>(n)}, values)).to_host();
    for (std::size_t image = 0; image < 2; ++image) {
      std::vector<double> sorted(n);
      for (std::size_t i = 0; i < n; ++i) sorted[i] = std::abs(values[image * n + i]);
      std::sort(sorted.begin(), sorted.end());
      const double rank = kRatio * static_cast<double>(n - 1);
      const std::size_t low = static_cast<std::size_t>(std::floor(rank)), high = static_cast<std::size_t>(std::ceil(rank));
      const double limit = std::clamp(sorted[low] + (rank - std::floor(rank)) * (sorted[high] - sorted[low]), 1.0, kMost);
      for (std::size_t i = 0; i < n; ++i)
        EXPECT_NEAR(got[image * n + i], std::clamp<double>(values[image * n + i], -limit, limit) / limit, 4 * 0x1p-24);
    }
  }
}

TEST(CleanLimits, RefusesRangesThatCannotBe) {
  EXPECT_ERROR(CleanLimits::any(JsonObject({{"clip_sample_range", -1}}, "test"), true), bad_file, "clip_sample_range");
  EXPECT_ERROR(CleanLimits::any(JsonObject({{"dynamic_thresholding_ratio", 1.5}}, "test"), true), bad_file, "dynamic_thresholding_ratio");
}

}  // namespace
}  // namespace impasto
