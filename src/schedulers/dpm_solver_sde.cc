// DPM-Solver++ (SDE) in the form of Karras et al. (2022): the stochastic solver of Katherine Crowson's k-diffusion, after Lu et al., 2022
// (arXiv:2211.01095). Two network calls a step, the second halfway in the logarithm of the level; the last step takes one.
// diffusers draws both noises of a step from one Brownian path (torchsde); here they come from the noise source, independent.
#include <cmath>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"

namespace impasto {
namespace {

struct Config {
  KarrasForm form;

  explicit Config(const JsonObject& json) : form(json, kLatentDefaults, SigmaSpread(json)) {}
};

class DpmSolverSde final : public Scheduler {
 public:
  explicit DpmSolverSde(Config config) : config_(std::move(config)) {}

  // Timesteps t0, middle, t1, middle, t2, ...
  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    const SigmaPath path = config_.form.path(n);
    timesteps_ = doubled_after_first(path.timesteps);
    for (std::size_t i = 0; i + 1 < path.sigmas.size(); ++i)
      timesteps_[2 * i + 1] = config_.form.training().timestep(std::sqrt(path.sigmas[i] * path.sigmas[i + 1]));
    sigmas_ = doubled_after_first(path.sigmas);
    sigmas_.push_back(0);
    round_to_float32(sigmas_);
    start_ = Tensor();
  }

  int order() const override { return 2; }
  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor scale_model_input(const Tensor& sample, int step) const override {
    return scale_to_unit(NoiseLevel::exploding(step % 2 == 0 ? sigma(step) : middle(step - 1)), sample);
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) override {
    if (step % 2 == 0) {
      const Tensor clean = config_.form.predict_clean(output, sigma(step), sample);
      if (sigma(step + 1) == 0) return clean;
      start_ = sample;
      return stochastic_step(sample, clean, sigma(step), middle(step), noise, options);
    }
    IMPASTO_CHECK(start_);
    const Tensor clean = config_.form.predict_clean(output, middle(step - 1), sample);
    return stochastic_step(std::exchange(start_, Tensor()), clean, sigma(step - 1), sigma(step), noise, options);
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  double middle(int step) const { return std::sqrt(sigma(step) * sigma(step + 1)); }

  static Tensor stochastic_step(const Tensor& start, const Tensor& clean, double from, double next, const NoiseSource& noise,
                                const StepOptions& options) {
    const AncestralStep to(from, next);
    return ops::combine({{1, euler_step(start, clean, from, to.down)}, {options.s_noise * to.up, noise(start.shape())}});
  }

  const Config config_;
  Tensor start_;  // of the step under way
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_sde(const JsonObject& config) { return std::make_unique<DpmSolverSde>(Config(config)); }

}  // namespace impasto
