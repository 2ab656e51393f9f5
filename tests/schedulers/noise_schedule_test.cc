#include "schedulers/noise_schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "stand_in.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

NoiseSchedule schedule(const Json& fields, ZeroSnr zero_snr = ZeroSnr::ignored) {
  return NoiseSchedule(JsonObject(fields, "test.json"), {.zero_snr = zero_snr});
}

TEST(NoiseSchedule, LinearBetasRunFromStartToEnd) {
  const NoiseSchedule s = schedule({{"num_train_timesteps", 5}, {"beta_start", 0.1}, {"beta_end", 0.5}});
  double product = 1;
  for (int t = 0; t < 5; ++t) {
    EXPECT_NEAR(s.betas()[static_cast<std::size_t>(t)], 0.1 * (t + 1), 1e-7);
    product *= 1 - 0.1 * (t + 1);
    EXPECT_NEAR(s.alpha_cumprod(t), product, 1e-7);
  }
}

TEST(NoiseSchedule, ScaledLinearBetasAreLinearInTheirRoots) {
  const NoiseSchedule s = schedule({{"num_train_timesteps", 3}, {"beta_schedule", "scaled_linear"}, {"beta_start", 0.04}, {"beta_end", 0.16}});
  EXPECT_NEAR(s.betas()[1], 0.09, 1e-7);
}

TEST(NoiseSchedule, SquaredCosineFollowsItsFormulaAndStaysBelowTheCap) {
  const NoiseSchedule s = schedule({{"beta_schedule", "squaredcos_cap_v2"}});
  const auto alpha_bar = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * M_PI / 2), 2); };
  EXPECT_NEAR(s.alpha_cumprod(499), alpha_bar(0.5) / alpha_bar(0), 1e-6);
  EXPECT_EQ(s.betas().back(), 0.999f);
}

TEST(NoiseSchedule, TrainedBetasWinOverTheFormula) {
  const NoiseSchedule s = schedule({{"num_train_timesteps", 2}, {"trained_betas", {0.25, 0.5}}, {"beta_schedule", "linear"}});
  EXPECT_EQ(s.betas(), (std::vector<float>{0.25f, 0.5f}));
  EXPECT_EQ(s.alphas_cumprod(), (std::vector<float>{0.75f, 0.375f}));
}

TEST(NoiseSchedule, ZeroSnrEndsInNoiseAloneWhereTheClassKnowsIt) {
  const Json fields = {{"rescale_betas_zero_snr", true}};
  EXPECT_EQ(schedule(fields, ZeroSnr::exact).alphas_cumprod().back(), 0.f);
  EXPECT_EQ(schedule(fields, ZeroSnr::finite).alphas_cumprod().back(), 0x1p-24f);
  EXPECT_EQ(schedule(fields, ZeroSnr::ignored).alphas_cumprod(), schedule(Json::object()).alphas_cumprod());
  EXPECT_NEAR(schedule(fields, ZeroSnr::exact).alpha_cumprod(0), schedule(Json::object()).alpha_cumprod(0), 1e-6);
}

TEST(NoiseSchedule, RefusesWhatCannotBe) {
  EXPECT_ERROR(schedule({{"beta_schedule", "quadratic"}}), unsupported, "test.json", "quadratic", "scaled_linear");
  for (double beta : {0.0, -0.1, 1.0, 2.0}) {
    EXPECT_ERROR(schedule({{"beta_start", beta}}), bad_file, "beta_start");
    EXPECT_ERROR(schedule({{"beta_end", beta}}), bad_file, "beta_end");
  }
  for (std::int64_t n : {std::int64_t{0}, std::int64_t{-5}, std::int64_t{100001}, std::int64_t{1} << 31, std::int64_t{1} << 40})
    EXPECT_ERROR(schedule({{"num_train_timesteps", n}}), bad_file, "num_train_timesteps");
  EXPECT_ERROR(schedule({{"num_train_timesteps", "many"}}), bad_file, "num_train_timesteps");
  EXPECT_ERROR(schedule({{"num_train_timesteps", 3}, {"trained_betas", {0.1, 0.2}}}), bad_file, "trained_betas", "2 values");
  EXPECT_ERROR(schedule({{"num_train_timesteps", 2}, {"trained_betas", {0.1, 1.5}}}), bad_file, "trained_betas", "1.5");
}

// alphas_cumprod would be 0 or 1 in float32, and every level after it not a number.
TEST(NoiseSchedule, RefusesBetasThatFloat32CannotCarry) {
  EXPECT_ERROR(schedule({{"num_train_timesteps", 100000}, {"beta_end", 0.5}}), bad_file, "float32");
  EXPECT_ERROR(schedule({{"beta_start", 1e-12}, {"beta_end", 1e-12}}), bad_file, "float32");
}

TEST(NoiseLevel, FormsOfOneLevelAgree) {
  const NoiseLevel level = NoiseLevel::from_alpha_cumprod(0.2), same = NoiseLevel::from_ratio(level.ratio()),
                   exploding = NoiseLevel::exploding(level.ratio());
  EXPECT_DOUBLE_EQ(level.ratio(), 2);
  EXPECT_DOUBLE_EQ(same.alpha, level.alpha);
  EXPECT_DOUBLE_EQ(same.sigma, level.sigma);
  EXPECT_DOUBLE_EQ(exploding.scale, level.alpha);
  EXPECT_DOUBLE_EQ(level.lambda(), -std::log(2));
}

TEST(NoiseLevel, AddsNoiseAndScalesBack) {
  const Tensor clean = test::tensor({1, 2}, {1, -2}), noise = test::tensor({1, 2}, {0.5f, 3});
  const NoiseLevel level = NoiseLevel::exploding(2);
  const Tensor noisy = add_noise(level, clean, noise);
  EXPECT_NEAR(noisy.to_host()[0], 2, 1e-6);
  EXPECT_NEAR(noisy.to_host()[1], 4, 1e-6);
  const std::vector<float> unit = scale_to_unit(level, noisy).to_host(), expected = add_noise(NoiseLevel::from_ratio(2), clean, noise).to_host();
  EXPECT_NEAR(unit[0], expected[0], 1e-6);
  EXPECT_NEAR(unit[1], expected[1], 1e-6);
}

}  // namespace
}  // namespace impasto
