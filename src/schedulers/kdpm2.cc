// The second-order method of DPM-Solver (Lu et al., 2022, arXiv:2206.00927, algorithm 1) in the form of Karras et al. (2022), as
// Katherine Crowson's k-diffusion has it, plain and ancestral (further down than the next level, then up to it by noise). Two network calls
// a step, the second at the geometric mean of the levels; the last step takes one.
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
  bool ancestral;

  Config(const JsonObject& json, bool is_ancestral) : form(json, kLatentDefaults, SigmaSpread(json)), ancestral(is_ancestral) {}
};

class Kdpm2 final : public Scheduler {
 public:
  explicit Kdpm2(Config config) : config_(std::move(config)) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override;
  int order() const override { return 2; }
  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor scale_model_input(const Tensor& sample, int step) const override {
    return scale_to_unit(NoiseLevel::exploding(step % 2 == 0 ? sigma(step) : middle(step - 1)), sample);
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    if (step % 2 == 0) {
      start_ = sample;
      return euler_step(sample, config_.form.predict_clean(output, sigma(step), sample), sigma(step), middle(step));
    }
    IMPASTO_CHECK(start_);
    const Tensor start = std::exchange(start_, Tensor());
    const double between = middle(step - 1);
    const AncestralStep to = target(step - 1);
    // From the start, along the slope found halfway.
    const Tensor clean = config_.form.predict_clean(output, between, sample);
    const double slope = (to.down - sigma(step - 1)) / between;
    const Tensor next = ops::combine({{1, start}, {slope, sample}, {-slope, clean}});
    return config_.ancestral ? ops::combine({{1, next}, {to.up, noise(sample.shape())}}) : next;
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  // Where the step that begins at an even call goes, and the level halfway, in the logarithm.
  AncestralStep target(int step) const {
    return config_.ancestral ? AncestralStep(sigma(step), sigma(step + 1)) : AncestralStep::straight(sigma(step + 1));
  }
  double middle(int step) const { return std::sqrt(sigma(step) * target(step).down); }

  const Config config_;
  Tensor start_;  // of the step under way
};

// Timesteps t0, middle, t1, middle, t2, ...
void Kdpm2::set_timesteps(int n) {
  const SigmaPath path = config_.form.path(n);
  sigmas_ = doubled_after_first(path.sigmas);
  sigmas_.insert(sigmas_.end(), 3, 0.0);  // both of the last pair and one more, as diffusers lists them
  round_to_float32(sigmas_);
  timesteps_ = path.timesteps;
  if (config_.form.spread().kind() == SigmaSpread::Kind::karras)
    for (double& t : timesteps_) t = std::nearbyint(t);
  timesteps_ = doubled_after_first(timesteps_);
  for (int step = 0; step + 2 < static_cast<int>(timesteps_.size()); step += 2)
    timesteps_[static_cast<std::size_t>(step) + 1] = config_.form.training().timestep(middle(step));
  start_ = Tensor();
}

}  // namespace

std::unique_ptr<Scheduler> make_kdpm2(const JsonObject& config) { return std::make_unique<Kdpm2>(Config(config, /*is_ancestral=*/false)); }
std::unique_ptr<Scheduler> make_kdpm2_ancestral(const JsonObject& config) { return std::make_unique<Kdpm2>(Config(config, /*is_ancestral=*/true)); }

}  // namespace impasto
