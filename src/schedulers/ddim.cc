// Denoising diffusion implicit models: DDIM (Song et al., 2021, arXiv:2010.02502), equations 12 and 16.
#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/prediction.h"
#include "schedulers/timesteps.h"

namespace impasto {
namespace {

struct Config {
  NoiseSchedule schedule;
  TimestepOptions timesteps;
  PredictionType prediction;
  CleanLimits limits;
  bool set_alpha_to_one;  ///< whether the last step ends at no noise, or at the noise of timestep 0

  explicit Config(const JsonObject& json)
      : schedule(json, {.zero_snr = ZeroSnr::exact}),
        timesteps(json, TimestepSpacing::leading, schedule.size()),
        prediction(read_prediction_type(json)),
        limits(CleanLimits::any(json, /*clip_by_default=*/true)),
        set_alpha_to_one(json.boolean("set_alpha_to_one", true)) {}
};

class Ddim final : public Scheduler {
 public:
  explicit Ddim(Config config) : config_(std::move(config)) {}

  void set_timesteps(int n) override {
    check_num_steps(n, config_.schedule.size());
    timesteps_ = whole_timesteps(config_.timesteps, n);
    stride_ = config_.schedule.size() / n;
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) override {
    const int t = whole_timestep(step), t_next = t - stride_;
    const double a = config_.schedule.alpha_cumprod(t), a_next = alpha_cumprod_or_final(t_next);
    const NoiseLevel now = level(step);
    const Tensor clean = config_.limits.apply(predict_clean(config_.prediction, now, output, sample));
    const Tensor direction = predict_noise(config_.prediction, now, output, sample);

    const double variance = (1 - a_next) / (1 - a) * (1 - a / a_next);
    const double deviation = options.eta * std::sqrt(std::max(variance, 0.0));
    const double along = std::sqrt(std::max(1 - a_next - deviation * deviation, 0.0));
    if (options.eta <= 0) return ops::combine({{std::sqrt(a_next), clean}, {along, direction}});
    return ops::combine({{std::sqrt(a_next), clean}, {along, direction}, {deviation, noise(output.shape())}});
  }

 private:
  NoiseLevel level(int step) const override { return config_.schedule.level(whole_timestep(step)); }
  double alpha_cumprod_or_final(int t) const {
    if (t < 0 && config_.set_alpha_to_one) return 1;
    return config_.schedule.alpha_cumprod(std::max(t, 0));
  }

  const Config config_;
  int stride_ = 0;  // between timesteps
};

}  // namespace

std::unique_ptr<Scheduler> make_ddim(const JsonObject& config) { return std::make_unique<Ddim>(Config(config)); }

}  // namespace impasto
