#include "schedulers/sigmas.h"

#include <cmath>

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace impasto {
namespace {

SigmaSpread spread(const Json& fields, const SigmaSpread::Knows& knows = {}) { return SigmaSpread(JsonObject(fields, "test.json"), knows); }

const Json kSpreads[] = {{{"use_karras_sigmas", true}}, {{"use_exponential_sigmas", true}}, {{"use_beta_sigmas", true}}, {{"use_lu_lambdas", true}}};

// Lu's logarithms are rounded to float32: 2^-24 of their size, at most 4, times sigma.
double tolerance(const Json& fields) { return fields.contains("use_lu_lambdas") ? 14.6 * 4 * 0x1p-24 : 1e-12; }

TEST(SigmaSpread, RunsDownFromTheLargestToTheSmallest) {
  for (const Json& fields : kSpreads)
    for (int n : {2, 3, 20, 1000}) {
      const std::vector<double> sigmas = spread(fields, {.lu = true}).between(14.6, 0.03, n);
      ASSERT_EQ(sigmas.size(), static_cast<std::size_t>(n));
      EXPECT_NEAR(sigmas.front(), 14.6, tolerance(fields)) << fields;
      EXPECT_NEAR(sigmas.back(), 0.03, tolerance(fields)) << fields;
      for (std::size_t i = 1; i < sigmas.size(); ++i) ASSERT_LT(sigmas[i], sigmas[i - 1]) << fields << " at " << i;
    }
}

TEST(SigmaSpread, OneStepTakesTheLargest) {
  for (const Json& fields : kSpreads) EXPECT_NEAR(spread(fields, {.lu = true}).between(14.6, 0.03, 1).front(), 14.6, tolerance(fields));
}

// Karras et al., 2022, equation 5, in the middle of three.
TEST(SigmaSpread, KarrasIsEvenInTheSeventhRoot) {
  const double middle = spread(kSpreads[0]).between(14.6, 0.03, 3)[1];
  EXPECT_NEAR(std::pow(middle, 1. / 7), (std::pow(14.6, 1. / 7) + std::pow(0.03, 1. / 7)) / 2, 1e-12);
}

TEST(SigmaSpread, TakesBoundsWhereTheClassKnowsThem) {
  const Json fields = {{"use_karras_sigmas", true}, {"sigma_min", 0.1}, {"sigma_max", 10}};
  EXPECT_NEAR(spread(fields, {.bounds = true}).between(14.6, 0.03, 5).front(), 10, 1e-12);
  EXPECT_NEAR(spread(fields, {.bounds = true}).between(14.6, 0.03, 5).back(), 0.1, 1e-12);
  EXPECT_NEAR(spread(fields).between(14.6, 0.03, 5).front(), 14.6, 1e-12);
}

TEST(SigmaSpread, RefusesContradictions) {
  EXPECT_ERROR(spread({{"use_karras_sigmas", true}, {"use_beta_sigmas", true}}), bad_file, "only one", "use_beta_sigmas");
  EXPECT_ERROR(spread({{"sigma_min", 3}, {"sigma_max", 2}}, {.bounds = true}), bad_file, "sigma_min 3");
  EXPECT_ERROR(spread({{"sigma_min", 0}}, {.bounds = true}), bad_file, "sigma_min");
  EXPECT_FALSE(spread({{"use_lu_lambdas", true}}));
}

TEST(TrainingSigmas, TimestepsAndLevelsGoBothWays) {
  const TrainingSigmas sigmas{NoiseSchedule(JsonObject(Json::object(), "test"))};
  for (double t : {0.0, 1.0, 17.0, 500.0, 998.0, 999.0}) EXPECT_NEAR(sigmas.timestep(sigmas.at(t)), t, 1e-3);
  EXPECT_NEAR(sigmas.at(10.25), 0.75 * sigmas.at(10) + 0.25 * sigmas.at(11), 1e-12);
  EXPECT_EQ(sigmas.at(-3), sigmas.smallest());
  EXPECT_EQ(sigmas.at(5000), sigmas.largest());
  EXPECT_EQ(sigmas.timestep(1e-9), 0);
  EXPECT_EQ(sigmas.timestep(0), 0);
  EXPECT_EQ(sigmas.timestep(1e9), 999);
}

}  // namespace
}  // namespace impasto
