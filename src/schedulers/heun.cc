// Heun's method: EDM (Karras et al., 2022, arXiv:2206.00364), algorithm 1. Two network calls a step; the last step takes one.
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"
#include "schedulers/own_path.h"

namespace impasto {
namespace {

struct Config {
  KarrasForm form;
  CleanLimits limits;

  explicit Config(const JsonObject& json)
      : form(json, kLatentDefaults, SigmaSpread(json)), limits(CleanLimits::clipping(json, /*clip_by_default=*/false)) {}
};

class Heun final : public Scheduler {
 public:
  explicit Heun(Config config) : config_(std::move(config)) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override { follow(config_.form.path(n)); }
  void set_path(const SigmaPath& own) override {
    require_no_sigmas(own);
    follow(completed(own, config_.form.training(), config_.form.spread()));
  }

  int order() const override { return 2; }
  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions&) override {
    const Tensor clean = config_.limits.apply(config_.form.predict_clean(output, sigma(step), sample));
    const Tensor derivative = ops::combine({{1 / sigma(step), sample}, {-1 / sigma(step), clean}});
    if (step % 2 == 0) {
      start_ = sample;
      derivative_ = derivative;
      return ops::combine({{1, sample}, {sigma(step + 1) - sigma(step), derivative}});
    }
    IMPASTO_CHECK(start_);
    const double half = (sigma(step) - sigma(step - 1)) / 2;
    return ops::combine({{1, std::exchange(start_, Tensor())}, {half, derivative_}, {half, derivative}});
  }

 private:
  // Timesteps t0, t1, t1, t2, t2, ...: odd calls come back to where the even call before them went, to correct it.
  void follow(const SigmaPath& path) {
    timesteps_ = doubled_after_first(path.timesteps);
    round_to_float32(timesteps_);
    sigmas_ = doubled_after_first(path.sigmas);
    sigmas_.push_back(0);
    round_to_float32(sigmas_);
    start_ = derivative_ = Tensor();
  }

  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  const Config config_;
  Tensor start_, derivative_;  // of the step to be corrected
};

}  // namespace

std::unique_ptr<Scheduler> make_heun(const JsonObject& config) { return std::make_unique<Heun>(Config(config)); }

}  // namespace impasto
