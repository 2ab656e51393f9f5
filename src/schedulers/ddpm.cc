// Denoising diffusion probabilistic models: DDPM (Ho et al., 2020, arXiv:2006.11239), equations 6 and 7.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/own_path.h"
#include "schedulers/prediction.h"
#include "schedulers/timesteps.h"

namespace impasto {
namespace {

/// Section 3.2: beta is the best for a wide spread of pictures, the posterior's variance for a single one.
enum class Variance { posterior, beta };

Variance read_variance(const JsonObject& json) {
  const std::string type = json.text("variance_type", "fixed_small");
  if (type == "fixed_small" || type == "fixed_small_log") return Variance::posterior;
  if (type == "fixed_large") return Variance::beta;
  fail(ErrorKind::unsupported, json.where(), ": variance_type \"", type, "\" is not supported; there are fixed_small, fixed_small_log, fixed_large");
}

struct Config {
  NoiseSchedule schedule;
  TimestepOptions timesteps;
  PredictionType prediction;
  CleanLimits limits;
  Variance variance;

  explicit Config(const JsonObject& json)
      : schedule(json, {.zero_snr = ZeroSnr::exact}),
        timesteps(json, TimestepSpacing::leading, schedule.size()),
        prediction(read_prediction_type(json)),
        limits(CleanLimits::any(json, /*clip_by_default=*/true)),
        variance(read_variance(json)) {}
};

class Ddpm final : public Scheduler {
 public:
  explicit Ddpm(Config config) : config_(std::move(config)) {}

  void set_timesteps(int n) override {
    check_num_steps(n, config_.schedule.size());
    timesteps_ = whole_timesteps(config_.timesteps, n);
  }

  void set_path(const SigmaPath& own) override { timesteps_ = own_whole_timesteps(own, config_.schedule.size()); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    const int t = whole_timestep(step);
    const bool last = is_last(step);
    const double a = config_.schedule.alpha_cumprod(t), a_next = last ? 1.0 : config_.schedule.alpha_cumprod(whole_timestep(step + 1));
    const double alpha = a / a_next, beta = 1 - alpha;
    const Tensor clean = config_.limits.apply(predict_clean(config_.prediction, level(step), output, sample));

    const double clean_weight = std::sqrt(a_next) * beta / (1 - a), sample_weight = std::sqrt(alpha) * (1 - a_next) / (1 - a);
    if (t == 0) return ops::combine({{clean_weight, clean}, {sample_weight, sample}});
    const double posterior = std::max((1 - a_next) / (1 - a) * beta, 1e-20);
    const double deviation = std::sqrt(config_.variance == Variance::beta ? beta : posterior);
    return ops::combine({{clean_weight, clean}, {sample_weight, sample}, {deviation, noise(output.shape())}});
  }

 private:
  NoiseLevel level(int step) const override { return config_.schedule.level(whole_timestep(step)); }
  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_ddpm(const JsonObject& config) { return std::make_unique<Ddpm>(Config(config)); }

}  // namespace impasto
