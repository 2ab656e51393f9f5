// Every scheduler against diffusers: timesteps, noise levels, whole walks with a stand-in for the network, and noise added along the way.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "core/rng.h"
#include "schedulers/karras_form.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/scheduler.h"
#include "schedulers/sigmas.h"
#include "stand_in.h"
#include "support/golden.h"

namespace impasto {
namespace {

using test::GoldenCase;

const std::vector<GoldenCase>& all_cases() {
  static const std::vector<GoldenCase> cases = test::golden_cases("schedulers");
  return cases;
}

JsonObject config_of(const GoldenCase& c) { return JsonObject(c.settings().at("config"), c.name()); }

std::vector<float> rounded(const std::vector<double>& values) { return {values.begin(), values.end()}; }

Tensor input(const GoldenCase& c, const std::string& name) { return test::tensor(c.shape(name), c.floats(name)); }

StepOptions step_options(const GoldenCase& c) {
  const Json& given = c.settings().at("step_arguments");
  StepOptions options;
  // diffusers' step() has 0.3 for TCD where its pipelines pass 0.
  options.eta = given.value("eta", c.settings().at("config").at("_class_name") == "TCDScheduler" ? 0.3 : 0.0);
  options.s_churn = given.value("s_churn", 0.0);
  options.s_noise = given.value("s_noise", 1.0);
  options.order = given.value("order", 4);
  return options;
}

// Hands out the noise that diffusers drew, in order.
class Replay {
 public:
  explicit Replay(const GoldenCase& c) {
    if (!c.has("drawn")) return;
    const Shape shape = c.shape("drawn");
    values_ = c.floats("drawn");
    count_ = static_cast<int>(shape[0]);
  }

  NoiseSource source() {
    return [this](const Shape& shape) {
      EXPECT_LT(next_, count_) << "more noise drawn than diffusers draws";
      const std::size_t n = static_cast<std::size_t>(shape.count()), begin = n * static_cast<std::size_t>(std::min(next_++, count_ - 1));
      return test::tensor(shape, {values_.begin() + static_cast<std::ptrdiff_t>(begin), values_.begin() + static_cast<std::ptrdiff_t>(begin + n)});
    };
  }

  int left() const { return count_ - next_; }

 private:
  std::vector<float> values_;
  int count_ = 0, next_ = 0;
};

// An ancestral step's middle is the root of sigma * down, and diffusers finds down from a difference of squares in float32: from level s to n
// eight roundings of 2^-24 n^2 are up to a share 2^-21 (s / n)^2 of down^2, a quarter of which reaches log(middle), and so the timestep by way of the
// training levels.
double timestep_tolerance(const GoldenCase& c, const Scheduler& scheduler, std::size_t i) {
  const double usual = c.tolerance("timesteps");
  const bool ancestral_middle = c.settings().at("config").at("_class_name") == "KDPM2AncestralDiscreteScheduler" && i % 2 == 1;
  if (!ancestral_middle) return usual;
  const TrainingSigmas training{NoiseSchedule(config_of(c), kLatentDefaults)};
  const double t = std::floor(scheduler.timesteps()[i]), per_timestep = std::log(training.at(t + 1) / training.at(t));
  const double fall = scheduler.sigmas()[i - 1] / scheduler.sigmas()[i];
  return std::max(usual, 0x1p-21 * fall * fall / 4 / per_timestep);
}

void check_timesteps(const GoldenCase& c, const Scheduler& scheduler) {
  const std::vector<float> expected = c.floats("timesteps");
  ASSERT_EQ(scheduler.timesteps().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(scheduler.timesteps()[i], expected[i], timestep_tolerance(c, scheduler, i)) << "timestep " << i;
}

void check_walk(const GoldenCase& c) {
  const auto scheduler = make_scheduler(config_of(c));
  scheduler->set_timesteps(c.settings().at("num_inference_steps"));
  const std::vector<float> sigmas = rounded(scheduler->sigmas());
  check_timesteps(c, *scheduler);
  if (c.has("sigmas")) {
    EXPECT_TRUE(c.matches("sigmas", sigmas.data(), static_cast<std::int64_t>(sigmas.size())));
  }
  const double init = c.settings().at("init_noise_sigma");
  EXPECT_NEAR(scheduler->init_noise_sigma(), init, 1e-6 * init);

  Replay replay(c);
  std::vector<float> trajectory;
  for (const Tensor& x : test::walk(*scheduler, input(c, "noise"), replay.source(), step_options(c))) {
    const std::vector<float> values = x.to_host();
    trajectory.insert(trajectory.end(), values.begin(), values.end());
  }
  EXPECT_TRUE(c.matches("trajectory", trajectory.data(), static_cast<std::int64_t>(trajectory.size())));
  EXPECT_EQ(replay.left(), 0) << "less noise drawn than diffusers draws";
}

// Golden cases name classes, so each class counts once.
std::vector<SchedulerName> class_names() {
  std::vector<SchedulerName> names;
  for (const SchedulerName& name : scheduler_names())
    if (names.empty() || names.back().class_name != name.class_name) names.push_back(name);
  return names;
}

class SchedulerGolden : public testing::TestWithParam<SchedulerName> {};

TEST_P(SchedulerGolden, WalksAsDiffusersDoes) {
  int checked = 0;
  for (const GoldenCase& c : all_cases()) {
    if (!c.name().starts_with("schedulers/" + GetParam().class_name + "/")) continue;
    SCOPED_TRACE(c.name());
    check_walk(c);
    ++checked;
  }
  if (checked == 0) GTEST_SKIP() << "no golden cases here";
}

std::vector<float> part(const std::vector<float>& values, std::int64_t k, std::int64_t n) {
  return {values.begin() + k * n, values.begin() + (k + 1) * n};
}

TEST_P(SchedulerGolden, AddsNoiseAsDiffusersDoes) {
  for (const GoldenCase& c : all_cases()) {
    if (!c.name().starts_with("schedulers/add_noise/" + GetParam().class_name + "/")) continue;
    const auto scheduler = make_scheduler(config_of(c));
    scheduler->set_timesteps(c.settings().at("num_inference_steps"));
    const std::vector<float> clean = c.floats("clean"), noise = c.floats("noise"), visited = rounded(scheduler->timesteps());
    Shape one = c.shape("clean");
    const std::int64_t images = std::exchange(one[0], 1);
    std::vector<float> noisy;
    for (std::int64_t k = 0; k < images; ++k) {
      const float t = c.floats("timesteps")[static_cast<std::size_t>(k)];
      const auto found = std::find_if(visited.begin(), visited.end(), [&](float v) { return std::abs(v - t) <= 1e-6f * 1000; });
      ASSERT_NE(found, visited.end()) << c.name() << ": no step at " << t;
      const Tensor x = scheduler->add_noise(test::tensor(one, part(clean, k, one.count())), test::tensor(one, part(noise, k, one.count())),
                                            static_cast<int>(found - visited.begin()));
      const std::vector<float> values = x.to_host();
      noisy.insert(noisy.end(), values.begin(), values.end());
    }
    EXPECT_TRUE(c.matches("noisy", noisy.data(), static_cast<std::int64_t>(noisy.size())));
  }
}

INSTANTIATE_TEST_SUITE_P(All, SchedulerGolden, testing::ValuesIn(class_names()), test::test_name);

// The noise that diffusers drew in step() is the generator's, going on after the first latents.
TEST(SchedulerGolden, DrawnNoiseGoesOnFromTheFirst) {
  int checked = 0;
  for (const GoldenCase& c : all_cases()) {
    if (!c.has("drawn") || c.settings().at("config").at("_class_name") == "DPMSolverSDEScheduler") continue;
    TorchGenerator generator(c.settings().at("seed").get<std::uint64_t>());
    const std::int64_t n = c.shape("noise").count();
    std::vector<float> got(static_cast<std::size_t>(n));
    generator.randn(got.data(), n);
    const std::vector<float> drawn = c.floats("drawn");
    for (std::int64_t k = 0; k < c.shape("drawn")[0]; ++k) {
      generator.randn(got.data(), n);
      for (std::int64_t i = 0; i < n; ++i)
        ASSERT_NEAR(got[static_cast<std::size_t>(i)], drawn[static_cast<std::size_t>(k * n + i)], 2e-6) << c.name();
    }
    ++checked;
  }
  EXPECT_GT(checked, 0) << "no golden schedulers: is tests/data there?";
}

// Rescaled betas are 1 - (r_i / r_(i-1))^2 of shifted roots r, which torch takes to within one float32 rounding, 2^-23 of the root before
// the shift; each of the three roots in it adds twice that over r_(i-1).
void check_betas(const GoldenCase& c, const NoiseSchedule& schedule) {
  const bool rescaled = c.settings().at("config").value("rescale_betas_zero_snr", false);
  const std::vector<float> expected = c.floats("betas");
  ASSERT_EQ(schedule.betas().size(), expected.size());
  constexpr double kShift = 0.1;  // the last root, 0.068 with these betas
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double before = i == 0 ? 1 : std::sqrt(schedule.alphas_cumprod()[i - 1]);
    const double roots = rescaled ? 6 * 0x1p-23 * (before + kShift) / before : 0;
    ASSERT_NEAR(schedule.betas()[i], expected[i], c.tolerance("betas") + roots) << c.name() << " at " << i;
  }
}

TEST(NoiseSchedule, TablesAreDiffusers) {
  for (const GoldenCase& c : all_cases()) {
    if (c.name().starts_with("schedulers/betas/")) {
      const NoiseSchedule schedule(config_of(c), {.zero_snr = ZeroSnr::exact});
      check_betas(c, schedule);
      EXPECT_TRUE(c.matches("alphas_cumprod", schedule.alphas_cumprod().data(), schedule.size()));
    }
    if (c.name() == "schedulers/training_sigmas") {
      const TrainingSigmas sigmas{NoiseSchedule(config_of(c))};
      EXPECT_TRUE(c.matches("sigmas", sigmas.values().data(), static_cast<std::int64_t>(sigmas.values().size())));
    }
  }
}

}  // namespace
}  // namespace impasto
