// Latent consistency models: LCM (Luo et al., 2023, arXiv:2310.04378), multistep sampling.
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
  CleanLimits limits;
  int original_steps;
  double timestep_scaling;

  explicit Config(const JsonObject& json)
      : schedule(json, kConsistencyDefaults),
        prediction(read_prediction_type(json)),
        limits(CleanLimits::any(json, /*clip_by_default=*/false)),
        original_steps(read_original_steps(json, schedule.size())),
        timestep_scaling(json.number("timestep_scaling", 10)) {}
};

class Lcm final : public Scheduler {
 public:
  explicit Lcm(Config config) : config_(std::move(config)) {}

  void set_timesteps(int n) override { timesteps_ = consistency_timesteps(config_.schedule.size(), config_.original_steps, n); }
  void set_path(const SigmaPath& own) override { timesteps_ = own_whole_timesteps(own, config_.schedule.size()); }

  // The consistency function's answer, brought back to the next noise level with fresh noise; the last is left as it is.
  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    const int t = whole_timestep(step);
    const Tensor clean = config_.limits.apply(predict_clean(config_.prediction, level(step), output, sample));
    const Tensor denoised = boundary_condition(t, clean, sample);
    if (is_last(step)) return denoised;
    return impasto::add_noise(level(step + 1), denoised, noise(output.shape()));
  }

 private:
  NoiseLevel level(int step) const override { return config_.schedule.level(whole_timestep(step)); }

  // c_skip and c_out of Song et al., 2023: the function is the identity at timestep 0.
  Tensor boundary_condition(int t, const Tensor& clean, const Tensor& sample) const {
    constexpr double kSigmaData = 0.5;
    const double scaled = t * config_.timestep_scaling, square = scaled * scaled + kSigmaData * kSigmaData;
    return ops::combine({{scaled / std::sqrt(square), clean}, {kSigmaData * kSigmaData / square, sample}});
  }

  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_lcm(const JsonObject& config) { return std::make_unique<Lcm>(Config(config)); }

}  // namespace impasto
