// Trajectory consistency distillation: TCD (Zheng et al., 2024, arXiv:2402.19159), strategic stochastic sampling.
#include <cmath>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/consistency_timesteps.h"
#include "schedulers/own_path.h"
#include "schedulers/prediction.h"

namespace impasto {
namespace {

struct Config {
  NoiseSchedule schedule;
  PredictionType prediction;
  int original_steps;

  explicit Config(const JsonObject& json)
      : schedule(json, kConsistencyDefaults), prediction(read_prediction_type(json)), original_steps(read_original_steps(json, schedule.size())) {}
};

class Tcd final : public Scheduler {
 public:
  explicit Tcd(Config config) : config_(std::move(config)) {}

  void set_timesteps(int n) override { timesteps_ = consistency_timesteps(config_.schedule.size(), config_.original_steps, n); }
  void set_path(const SigmaPath& own) override { timesteps_ = own_whole_timesteps(own, config_.schedule.size()); }

  // Down to a timestep s below the next one (by `eta`, the paper's gamma), then up again with fresh noise.
  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) override {
    if (!(options.eta >= 0 && options.eta <= 1)) fail(ErrorKind::invalid_argument, "eta is ", options.eta, "; TCD takes 0 to 1");
    const bool last = is_last(step);
    const int t_next = last ? 0 : whole_timestep(step + 1);
    const int s = static_cast<int>(std::floor(static_cast<float>(1 - options.eta) * static_cast<float>(t_next)));
    const NoiseLevel now = level(step), lower = config_.schedule.level(s);
    const Tensor clean = predict_clean(config_.prediction, now, output, sample);
    const Tensor direction = predict_noise(config_.prediction, now, output, sample);
    if (options.eta == 0 || last) return ops::combine({{lower.alpha, clean}, {lower.sigma, direction}});
    const double kept = config_.schedule.alpha_cumprod(t_next) / config_.schedule.alpha_cumprod(s), root = std::sqrt(kept);
    return ops::combine({{root * lower.alpha, clean}, {root * lower.sigma, direction}, {std::sqrt(1 - kept), noise(output.shape())}});
  }

 private:
  NoiseLevel level(int step) const override { return config_.schedule.level(whole_timestep(step)); }
  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_tcd(const JsonObject& config) { return std::make_unique<Tcd>(Config(config)); }

}  // namespace impasto
