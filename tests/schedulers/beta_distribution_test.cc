#include "schedulers/beta_distribution.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace impasto {
namespace {

// Closed forms: I_x(a, 1) = x^a, I_x(1, b) = 1 - (1 - x)^b, I_x(1/2, 1/2) = 2 asin(sqrt(x)) / pi.
TEST(BetaDistribution, EqualsClosedForms) {
  for (double x = 0.0005; x < 1; x += 0.0101) {
    for (double shape : {0.3, 0.6, 1.0, 2.5, 40.0}) {
      EXPECT_NEAR(regularized_incomplete_beta(x, shape, 1), std::pow(x, shape), 1e-13);
      EXPECT_NEAR(regularized_incomplete_beta(x, 1, shape), -std::expm1(shape * std::log1p(-x)), 1e-13);
    }
    EXPECT_NEAR(regularized_incomplete_beta(x, 0.5, 0.5), 2 / std::numbers::pi * std::asin(std::sqrt(x)), 1e-13);
  }
}

TEST(BetaDistribution, IsSymmetricAndEndsAtZeroAndOne) {
  for (double x : {1e-9, 0.1, 0.5, 0.77, 1 - 1e-9})
    EXPECT_NEAR(regularized_incomplete_beta(x, 0.6, 1.7), 1 - regularized_incomplete_beta(1 - x, 1.7, 0.6), 1e-13);
  EXPECT_EQ(regularized_incomplete_beta(0, 0.6, 0.6), 0);
  EXPECT_EQ(regularized_incomplete_beta(1, 0.6, 0.6), 1);
  EXPECT_EQ(beta_quantile(0, 0.6, 0.6), 0);
  EXPECT_EQ(beta_quantile(1, 0.6, 0.6), 1);
}

TEST(BetaDistribution, QuantileInverts) {
  for (double p = 0.001; p < 1; p += 0.0173)
    for (double a : {0.6, 2.0}) EXPECT_NEAR(regularized_incomplete_beta(beta_quantile(p, a, 0.6), a, 0.6), p, 1e-12);
}

// scipy.stats.beta.ppf(p, 0.6, 0.6)
TEST(BetaDistribution, QuantileEqualsScipy) {
  EXPECT_NEAR(beta_quantile(0.001, 0.6, 0.6), 1.855873851745199e-05, 1e-12);
  EXPECT_NEAR(beta_quantile(0.05, 0.6, 0.6), 0.012554456873611399, 1e-12);
  EXPECT_NEAR(beta_quantile(0.25, 0.6, 0.6), 0.17568037865269498, 1e-12);
  EXPECT_NEAR(beta_quantile(0.5, 0.6, 0.6), 0.50000000000000011, 1e-12);
  EXPECT_NEAR(beta_quantile(0.8, 0.6, 0.6), 0.87707824954166713, 1e-12);
  EXPECT_NEAR(beta_quantile(0.999, 0.6, 0.6), 0.99998144126148258, 1e-12);
}

}  // namespace
}  // namespace impasto
