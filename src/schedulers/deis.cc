// Diffusion exponential integrator sampler: DEIS (Zhang and Chen, 2023, arXiv:2204.13902), the log-rho multistep variant.
#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/lambda_form.h"
#include "schedulers/output_history.h"

namespace impasto {
namespace {

// Below this many steps the last ones are of lower order.
constexpr std::size_t kFewSteps = 15;

struct Config {
  LambdaForm form;
  int order;
  bool lower_order_final;

  explicit Config(const JsonObject& json)
      : form(json, ZeroSnr::ignored, SigmaSpread(json)),
        order(read_solver_order(json, 3)),
        lower_order_final(json.boolean("lower_order_final", true)) {
    read_solver_name(json, "algorithm_type", {"deis"}, {"dpmsolver", "dpmsolver++"});
    read_solver_name(json, "solver_type", {"logrho"}, {"midpoint", "heun", "bh1", "bh2"});
  }
};

class Deis final : public Scheduler {
 public:
  explicit Deis(Config config) : config_(std::move(config)), history_(config_.order) {}

  // The walk ends at the smallest level, not at zero.
  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n);
    timesteps_ = std::move(path.timesteps);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(config_.form.spread() ? sigmas_.back() : config_.form.training().smallest());
    round_to_float32(sigmas_);
    history_.clear();
  }

  // x / alpha moves by the integral over rho = sigma / alpha of the noise, which is a polynomial in log rho through the last outputs.
  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions&) override {
    history_.push(config_.form.predict_noise(output, sigma(step), sample));
    const int order = order_of(step);
    const double from = level(step).alpha, to = level(step + 1).alpha;
    Tensor next = ops::combine({{to / from, sample}});
    for (int age = 0; age < order; ++age) next = ops::combine({{1, next}, {to * coefficient(step, age, order), history_[age]}});
    return next;
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::from_ratio(sigma(step)); }

  int order_of(int step) const {
    int order = std::min(config_.order, history_.size());
    const std::size_t left = timesteps_.size() - static_cast<std::size_t>(step);
    if (config_.lower_order_final && timesteps_.size() < kFewSteps) order = std::min(order, static_cast<int>(std::min<std::size_t>(left, 3)));
    return usable_order(sigmas_, step, order);
  }

  // Integral from rho(step) to rho(step + 1) of Lagrange's polynomial in log rho that is 1 at the level `age` steps ago and 0 at the other
  // `order` - 1 newest. With u = log rho, the integrals of 1, u and u^2 over rho are rho, rho (u - 1) and rho (u^2 - 2 u + 2).
  double coefficient(int step, int age, int order) const {
    double constant = 1, linear = 0, square = 0, divisor = 1;
    for (int k = 0; k < order; ++k) {
      if (k == age) continue;
      const double root = std::log(sigma(step - k));
      square = linear - square * root;
      linear = constant - linear * root;
      constant = -constant * root;
      divisor *= std::log(sigma(step - age)) - root;
    }
    const auto integral = [&](double rho) {
      const double u = std::log(rho);
      return rho * (constant + linear * (u - 1) + square * (u * u - 2 * u + 2));
    };
    return (integral(sigma(step + 1)) - integral(sigma(step))) / divisor;
  }

  const Config config_;
  OutputHistory history_;
};

}  // namespace

std::unique_ptr<Scheduler> make_deis(const JsonObject& config) { return std::make_unique<Deis>(Config(config)); }

}  // namespace impasto
