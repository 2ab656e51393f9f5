// Euler's method with noise added after each step (Katherine Crowson's k-diffusion; the samplers of Karras et al., 2022, arXiv:2206.00364).
#include <utility>

#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"
#include "schedulers/schedule.h"

namespace impasto {
namespace {

struct Config {
  KarrasForm form;

  explicit Config(const JsonObject& json) : form(json, {.zero_snr = ZeroSnr::finite}, spread(json)) {}

  /// diffusers' class ignores a config's use_karras_sigmas and its like; who asks for a schedule by name, as A1111's users do, gets it.
  static SigmaSpread spread(const JsonObject& json) { return json.has(kAskedSchedule) ? SigmaSpread(json) : SigmaSpread(); }
};

class EulerAncestral final : public Scheduler {
 public:
  explicit EulerAncestral(Config config) : config_(std::move(config)) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }

  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n);
    timesteps_ = std::move(path.timesteps);
    round_to_float32(timesteps_);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(0);
    round_to_float32(sigmas_);
  }

  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    const AncestralStep to(sigma(step), sigma(step + 1));
    const Tensor clean = config_.form.predict_clean(output, sigma(step), sample);
    return ops::combine({{1, euler_step(sample, clean, sigma(step), to.down)}, {to.up, noise(sample.shape())}});
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler_ancestral(const JsonObject& config) { return std::make_unique<EulerAncestral>(Config(config)); }

}  // namespace impasto
