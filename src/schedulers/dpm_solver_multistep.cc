// DPM-Solver and DPM-Solver++, multistep, and their SDE variants (Lu et al., 2022, arXiv:2206.00927 and arXiv:2211.01095, algorithm 2).
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/dpm_update.h"
#include "schedulers/lambda_form.h"
#include "schedulers/output_history.h"
#include "schedulers/own_path.h"

namespace impasto {
namespace {

// Below this many steps the last ones are of lower order.
constexpr std::size_t kFewSteps = 15;

struct Config {
  LambdaForm form;
  bool ends_at_zero;
  DpmAlgorithm algorithm;
  int order;
  bool heun;
  bool lower_order_final, euler_at_final;
  double lambda_min;   ///< timesteps noisier than this are left out (lambda_min_clipped)
  bool cut_timesteps;  ///< of karras and lu levels, which for other betas are rounded

  explicit Config(const JsonObject& json)
      : form(json, ZeroSnr::finite, SigmaSpread(json, {.lu = true})),
        ends_at_zero(read_ends_at_zero(json)),
        algorithm(read_dpm_algorithm(json, {"dpmsolver++", "dpmsolver", "sde-dpmsolver", "sde-dpmsolver++"}, ends_at_zero)),
        order(read_solver_order(json, 3)),
        heun(read_solver_name(json, "solver_type", {"midpoint", "heun"}, {"logrho", "bh1", "bh2"}) == "heun"),
        lower_order_final(json.boolean("lower_order_final", true)),
        euler_at_final(json.boolean("euler_at_final", false)),
        lambda_min(json.number("lambda_min_clipped", -std::numeric_limits<double>::infinity())),
        cut_timesteps(json.text("beta_schedule", "linear") == "squaredcos_cap_v2") {
    if (algorithm == DpmAlgorithm::sde_dpmsolver && order == 3)
      fail(ErrorKind::unsupported, json.where(), ": algorithm_type sde-dpmsolver has no solver_order 3; take 1 or 2");
  }
};

class DpmSolverMultistep final : public Scheduler {
 public:
  explicit DpmSolverMultistep(Config config) : config_(std::move(config)), history_(config_.order) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n, config_.form.timesteps_from(config_.lambda_min), config_.cut_timesteps);
    follow(std::move(path));
  }

  void set_path(const SigmaPath& own) override {
    const SigmaPath whole{.timesteps = own_whole_timesteps(own, config_.form.num_train()), .sigmas = {}};
    follow(completed(whole, config_.form.training(), config_.form.spread()));
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    history_.push(predicts_clean(config_.algorithm) ? config_.form.predict_clean(output, sigma(step), sample)
                                                    : config_.form.predict_noise(output, sigma(step), sample));
    const DpmUpdate update(config_.algorithm, level(step), level(step + 1));
    const Tensor next = deterministic_part(update, step, sample);
    return is_stochastic(config_.algorithm) ? ops::combine({{1, next}, {update.noise, noise(sample.shape())}}) : next;
  }

 private:
  void follow(SigmaPath path) {
    timesteps_ = std::move(path.timesteps);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(config_.ends_at_zero ? 0 : config_.form.training().smallest());
    round_to_float32(sigmas_);
    history_.clear();
  }

  NoiseLevel level(int step) const override { return NoiseLevel::from_ratio(sigma(step)); }

  int order_of(int step) const {
    const std::size_t left = timesteps_.size() - static_cast<std::size_t>(step);
    const bool lower = config_.lower_order_final && timesteps_.size() < kFewSteps;
    int order = std::min(config_.order, history_.size());
    if (left == 1 && (lower || config_.euler_at_final || config_.ends_at_zero)) order = 1;
    if (left == 2 && lower) order = std::min(order, 2);
    return usable_order(sigmas_, step, order);
  }

  // r_i is the ratio of an earlier step to this one in lambda.
  Tensor deterministic_part(const DpmUpdate& u, int step, const Tensor& sample) const {
    if (sigma(step) == sigma(step + 1)) return sample;
    const int order = order_of(step);
    const Tensor& m0 = history_[0];
    if (order == 1) return ops::combine({{u.sample, sample}, {u.d0, m0}});
    const double lambda = level(step).lambda(), h = level(step + 1).lambda() - lambda;
    const double r0 = (lambda - level(step - 1).lambda()) / h;
    const Tensor& m1 = history_[1];
    if (order == 2) {
      const double d1 = (config_.heun ? u.d1_heun : u.d1_midpoint) / r0;
      return ops::combine({{u.sample, sample}, {u.d0 + d1, m0}, {-d1, m1}});
    }
    const double r1 = (level(step - 1).lambda() - level(step - 2).lambda()) / h;
    const Tensor newer = ops::combine({{1 / r0, m0}, {-1 / r0, m1}}), older = ops::combine({{1 / r1, m1}, {-1 / r1, history_[2]}});
    const double share = r0 / (r0 + r1), curve = u.d1_heun * share + u.d2 / (r0 + r1);
    return ops::combine({{u.sample, sample}, {u.d0, m0}, {u.d1_heun + curve, newer}, {-curve, older}});
  }

  const Config config_;
  OutputHistory history_;
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_multistep(const JsonObject& config) { return std::make_unique<DpmSolverMultistep>(Config(config)); }

std::unique_ptr<Scheduler> make_dpm_solver_multistep_sde(const JsonObject& config) {
  return make_dpm_solver_multistep(config.with("algorithm_type", "sde-dpmsolver++"));
}

}  // namespace impasto
