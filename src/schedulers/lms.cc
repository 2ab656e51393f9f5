// Linear multistep over the noise level, with coefficients for its uneven spacing (Katherine Crowson's k-diffusion; in the form of Karras et
// al., 2022, arXiv:2206.00364; Adams and Bashforth, 1883).
#include <algorithm>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"
#include "schedulers/output_history.h"

namespace impasto {
namespace {

constexpr int kMostOrder = 4;

struct Config {
  KarrasForm form;

  explicit Config(const JsonObject& json) : form(json, {}, SigmaSpread(json)) {}
};

class Lms final : public Scheduler {
 public:
  explicit Lms(Config config) : config_(std::move(config)) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n);
    timesteps_ = std::move(path.timesteps);
    round_to_float32(timesteps_);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(0);
    round_to_float32(sigmas_);
    derivatives_.clear();
  }

  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions& options) override {
    if (options.order < 1 || options.order > kMostOrder)
      fail(ErrorKind::invalid_argument, "order is ", options.order, "; LMS takes 1 to ", kMostOrder);
    const Tensor clean = config_.form.predict_clean(output, sigma(step), sample);
    derivatives_.push(ops::combine({{1 / sigma(step), sample}, {-1 / sigma(step), clean}}));
    const int order = std::min(options.order, step + 1);
    Tensor next = sample;
    for (int age = 0; age < std::min(order, derivatives_.size()); ++age)
      next = ops::combine({{1, next}, {coefficient(step, age, order), derivatives_[age]}});
    return next;
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  // Lagrange's polynomial that is 1 at the level `age` steps ago and 0 at the other `order` - 1 newest.
  double basis(double at, int step, int age, int order) const {
    double product = 1;
    for (int k = 0; k < order; ++k)
      if (k != age) product *= (at - sigma(step - k)) / (sigma(step - age) - sigma(step - k));
    return product;
  }

  // Its integral over the step, by Simpson's rule, which is exact for cubics.
  double coefficient(int step, int age, int order) const {
    static_assert(kMostOrder <= 4);
    const double from = sigma(step), to = sigma(step + 1);
    return (to - from) / 6 * (basis(from, step, age, order) + 4 * basis((from + to) / 2, step, age, order) + basis(to, step, age, order));
  }

  const Config config_;
  OutputHistory derivatives_{kMostOrder};
};

}  // namespace

std::unique_ptr<Scheduler> make_lms(const JsonObject& config) { return std::make_unique<Lms>(Config(config)); }

}  // namespace impasto
