#include "cli/progress.h"

#include <gtest/gtest.h>

namespace impasto::cli {
namespace {

ProgressState drawing(int done, int total, double per_step = 1.234) {
  return {.label = "Drawing", .done = done, .total = total, .elapsed = 12, .per_step = done > 0 ? per_step : 0};
}

TEST(ProgressLine, ShowsBarStepsSpeedAndTimeLeft) {
  EXPECT_EQ(progress_line(drawing(12, 50), 80), "Drawing [========>                            ] 12/50  1.23 s/step  0:47 left");
  EXPECT_EQ(progress_line(drawing(50, 50), 80), "Drawing [=====================================] 50/50  1.23 s/step  0:00 left");
}

TEST(ProgressLine, BeforeTheFirstStepTheClockRuns) {
  EXPECT_EQ(progress_line(drawing(0, 50), 60), "Drawing [>                                  ]  0/50  0:12");
}

TEST(ProgressLine, NarrowTerminalsKeepWhatMattersMost) {
  EXPECT_EQ(progress_line(drawing(12, 50), 40), "Drawing [==>       ] 12/50  0:47 left");
  EXPECT_EQ(progress_line(drawing(12, 50), 25), "12/50  0:47 left");
  EXPECT_EQ(progress_line(drawing(12, 50), 10), "12/50");
}

TEST(ProgressLine, NeverReachesTheEndOfTheLine) {
  for (int columns = 4; columns <= 200; ++columns) {
    for (const auto& [done, total] : {std::pair{0, 1}, {1, 1}, {0, 50}, {7, 50}, {50, 50}, {51, 50}, {999, 1000}}) {
      for (const double per_step : {0.001, 1.0, 3600.0}) {
        ProgressState state = drawing(done, total, per_step);
        EXPECT_LE(progress_line(state, columns).size(), static_cast<std::size_t>(columns - 3));
        state.stopping = true;
        EXPECT_LE(progress_line(state, columns).size(), static_cast<std::size_t>(columns - 3));
      }
    }
    EXPECT_LE(progress_line({.label = "Loading", .elapsed = 3}, columns).size(), static_cast<std::size_t>(columns - 3));
  }
}

TEST(ProgressLine, TheBarGrowsWithTheSteps) {
  std::size_t before = 0;
  for (int done = 0; done <= 50; ++done) {
    const std::string line = progress_line(drawing(done, 50), 120);
    const auto filled = static_cast<std::size_t>(std::count(line.begin(), line.end(), '='));
    EXPECT_GE(filled, before);
    before = filled;
  }
  EXPECT_GT(before, 70u);
}

TEST(ProgressLine, TheTimeLeftRunsDownBetweenStepsButNotPastTheNext) {
  ProgressState state = drawing(10, 20, 10);
  EXPECT_NE(progress_line(state, 80).find("1:40 left"), std::string::npos);
  state.since_step = 4;
  EXPECT_NE(progress_line(state, 80).find("1:36 left"), std::string::npos);
  state.since_step = 30;
  EXPECT_NE(progress_line(state, 80).find("1:30 left"), std::string::npos);
}

TEST(ProgressLine, SaysThatItStops) {
  ProgressState state = drawing(10, 20);
  state.stopping = true;
  EXPECT_NE(progress_line(state, 80).find("stopping after this step"), std::string::npos);
  EXPECT_EQ(progress_line({.label = "Loading", .elapsed = 3, .stopping = true}, 80), "Loading  0:03  stopping");
}

TEST(ProgressEntry, FitsALog) {
  EXPECT_EQ(progress_entry(drawing(3, 50)), "Drawing  3/50  1.23 s/step  0:58 left");
  EXPECT_EQ(progress_entry({.label = "Loading", .elapsed = 3}), "Loading  0:03");
}

TEST(StepTimes, TheFirstStepIsToldApart) {
  StepTimes times;
  EXPECT_EQ(times.mean(), 0);
  times.step();
  EXPECT_EQ(times.count(), 1);
  EXPECT_EQ(times.mean(), times.first());
  times.step();
  times.step();
  EXPECT_EQ(times.count(), 3);
  EXPECT_NEAR(times.first() + 2 * times.mean(), times.elapsed(), 1e-9);
}

}  // namespace
}  // namespace impasto::cli
