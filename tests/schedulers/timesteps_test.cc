#include "schedulers/timesteps.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace impasto {
namespace {

TimestepOptions options(const char* spacing, int offset = 0, int num_train = 1000) {
  return {JsonObject({{"timestep_spacing", spacing}, {"steps_offset", offset}}, "test"), TimestepSpacing::linspace, num_train};
}

using Values = std::vector<double>;

// Lin et al., 2023, table 2.
TEST(Timesteps, SpacingsVisitWhatThePaperSays) {
  EXPECT_EQ(spaced_timesteps(options("linspace"), 5), (Values{999, 749.25, 499.5, 249.75, 0}));
  EXPECT_EQ(whole_timesteps(options("linspace"), 5), (Values{999, 749, 500, 250, 0}));
  EXPECT_EQ(whole_timesteps(options("leading"), 5), (Values{800, 600, 400, 200, 0}));
  EXPECT_EQ(whole_timesteps(options("leading", 1), 5), (Values{801, 601, 401, 201, 1}));
  EXPECT_EQ(whole_timesteps(options("trailing"), 5), (Values{999, 799, 599, 399, 199}));
}

TEST(Timesteps, OneStep) {
  EXPECT_EQ(whole_timesteps(options("linspace"), 1), Values{0});
  EXPECT_EQ(whole_timesteps(options("leading", 1), 1), Values{1});
  EXPECT_EQ(whole_timesteps(options("trailing"), 1), Values{999});
  EXPECT_EQ(whole_timesteps_above_zero(options("linspace"), 1, 1000), Values{999});
  EXPECT_EQ(whole_timesteps_above_zero(options("leading"), 1, 1000), Values{500});
}

TEST(Timesteps, AboveZeroLeavesTheLastOut) {
  EXPECT_EQ(whole_timesteps_above_zero(options("linspace"), 4, 1000), (Values{999, 749, 500, 250}));
  EXPECT_EQ(whole_timesteps_above_zero(options("leading", 1), 4, 1000), (Values{801, 601, 401, 201}));
  EXPECT_EQ(whole_timesteps_above_zero(options("trailing"), 4, 1000), (Values{999, 749, 499, 249}));
  EXPECT_EQ(whole_timesteps_above_zero(options("linspace"), 4, 501), (Values{500, 375, 250, 125}));
  EXPECT_EQ(whole_timesteps_above_zero(options("trailing"), 4, 501), (Values{500, 250, 0}));
}

// numpy.arange gives 62 values for 1000 in 61 steps, the last of them timestep -1.
TEST(Timesteps, TrailingHasAsManyAsAskedForAndStaysInRange) {
  for (int n = 1; n <= 1000; ++n) {
    const Values timesteps = whole_timesteps(options("trailing"), n);
    ASSERT_EQ(timesteps.size(), static_cast<std::size_t>(n));
    ASSERT_EQ(timesteps.front(), 999);
    ASSERT_GE(timesteps.back(), 0);
    for (std::size_t i = 1; i < timesteps.size(); ++i) ASSERT_LT(timesteps[i], timesteps[i - 1]) << n;
  }
}

TEST(Timesteps, RefusesStepsThatPassTheLastTimestep) {
  EXPECT_EQ(whole_timesteps(options("leading", 1), 999).front(), 999);
  EXPECT_ERROR(whole_timesteps(options("leading", 1), 1000), invalid_argument, "1000", "steps_offset 1", "fewer");
  EXPECT_ERROR(whole_timesteps_above_zero(options("leading"), 1000, 1000), invalid_argument, "1 to 999");
  EXPECT_ERROR(check_num_steps(0, 1000), invalid_argument, "num_inference_steps is 0", "1 to 1000");
  EXPECT_ERROR(check_num_steps(1001, 1000), invalid_argument, "1001");
}

TEST(Timesteps, LinspaceMeetsBothEnds) {
  EXPECT_EQ(linspace(3, 7, 1), Values{3});
  EXPECT_EQ(linspace(3, 7, 3), (Values{3, 5, 7}));
  for (int n = 2; n < 50; ++n) EXPECT_EQ(linspace(0.1, 0.7, n).back(), 0.7);
}

TEST(Timesteps, DoubledAfterFirst) {
  EXPECT_EQ(doubled_after_first({5}), Values{5});
  EXPECT_EQ(doubled_after_first({5, 3, 1}), (Values{5, 3, 3, 1, 1}));
}

}  // namespace
}  // namespace impasto
