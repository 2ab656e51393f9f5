// DPM-Solver and DPM-Solver++, singlestep (Lu et al., 2022, arXiv:2206.00927 and arXiv:2211.01095, algorithm 1): steps come in groups of rising
// order, each order starting again from the sample that the group began with.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/dpm_update.h"
#include "schedulers/lambda_form.h"
#include "schedulers/output_history.h"
#include "schedulers/own_path.h"

namespace impasto {
namespace {

struct Config {
  LambdaForm form;
  bool ends_at_zero;
  DpmAlgorithm algorithm;
  int order;
  bool heun;
  bool lower_order_final;
  double lambda_min;  ///< timesteps noisier than this are left out (lambda_min_clipped)

  explicit Config(const JsonObject& json)
      : form(json, ZeroSnr::ignored, SigmaSpread(json), /*knows_spacing=*/false),
        ends_at_zero(read_ends_at_zero(json)),
        algorithm(read_dpm_algorithm(json, {"dpmsolver++", "dpmsolver", "sde-dpmsolver++"}, ends_at_zero)),
        order(read_solver_order(json, 3)),
        heun(read_solver_name(json, "solver_type", {"midpoint", "heun"}, {"logrho", "bh1", "bh2"}) == "heun"),
        lower_order_final(json.boolean("lower_order_final", false)),
        lambda_min(json.number("lambda_min_clipped", -std::numeric_limits<double>::infinity())) {}
};

// 1, 2, 3, 1, 2, 3, ...; with `lower_final`, groups that the number of steps leaves incomplete end in lower orders.
std::vector<int> group_orders(int order, int n, bool lower_final, bool ends_at_zero) {
  std::vector<int> orders;
  for (int i = 0; i < n; ++i) orders.push_back(i % order + 1);
  if (lower_final && n % order == 0 && order > 1) orders.back() = 1;
  if (ends_at_zero) orders.back() = 1;
  return orders;
}

class DpmSolverSinglestep final : public Scheduler {
 public:
  explicit DpmSolverSinglestep(Config config) : config_(std::move(config)), history_(config_.order) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override { follow(config_.form.path(n, config_.form.timesteps_from(config_.lambda_min)), n); }

  void set_path(const SigmaPath& own) override {
    const SigmaPath whole{.timesteps = own_whole_timesteps(own, config_.form.num_train()), .sigmas = {}};
    follow(completed(whole, config_.form.training(), config_.form.spread()), static_cast<int>(whole.timesteps.size()));
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions&) override {
    history_.push(predicts_clean(config_.algorithm) ? config_.form.predict_clean(output, sigma(step), sample)
                                                    : config_.form.predict_noise(output, sigma(step), sample));
    const int order = usable_order(sigmas_, step, std::min(orders_[static_cast<std::size_t>(step)], history_.size()));
    if (order == 1) start_ = sample;
    const DpmUpdate update(config_.algorithm, level(step - order + 1), level(step + 1));
    const Tensor next = deterministic_part(update, step, order);
    return is_stochastic(config_.algorithm) ? ops::combine({{1, next}, {update.noise, noise(sample.shape())}}) : next;
  }

 private:
  void follow(SigmaPath path, int n) {
    timesteps_ = std::move(path.timesteps);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(config_.ends_at_zero ? 0 : config_.form.training().smallest());
    round_to_float32(sigmas_);
    orders_ = group_orders(config_.order, n, config_.lower_order_final || n % config_.order != 0 || config_.ends_at_zero, config_.ends_at_zero);
    history_.clear();
    start_ = Tensor();
  }

  NoiseLevel level(int step) const override { return NoiseLevel::from_ratio(sigma(step)); }

  // From the start of the group, which lies order - 1 steps back.
  Tensor deterministic_part(const DpmUpdate& u, int step, int order) const {
    if (sigma(step) == sigma(step + 1)) return start_;
    const double start = level(step - order + 1).lambda(), h = level(step + 1).lambda() - start;
    const Tensor& m = history_[order - 1];
    if (order == 1) return ops::combine({{u.sample, start_}, {u.d0, m}});
    const double r0 = (level(step).lambda() - start) / h;
    const Tensor newest = ops::combine({{1 / r0, history_[0]}, {-1 / r0, m}});
    if (order == 2) return ops::combine({{u.sample, start_}, {u.d0, m}, {config_.heun ? u.d1_heun : u.d1_midpoint, newest}});
    if (!config_.heun) return ops::combine({{u.sample, start_}, {u.d0, m}, {u.d1_heun, newest}});
    const double r1 = (level(step - 1).lambda() - start) / h;
    const Tensor older = ops::combine({{1 / r1, history_[1]}, {-1 / r1, m}});
    const double of_older = (u.d1_heun * r0 - 2 * u.d2) / (r0 - r1), of_newest = (-u.d1_heun * r1 + 2 * u.d2) / (r0 - r1);
    return ops::combine({{u.sample, start_}, {u.d0, m}, {of_older, older}, {of_newest, newest}});
  }

  const Config config_;
  std::vector<int> orders_;  // of each step
  OutputHistory history_;
  Tensor start_;  // sample that the group began with
};

}  // namespace

std::unique_ptr<Scheduler> make_dpm_solver_singlestep(const JsonObject& config) { return std::make_unique<DpmSolverSinglestep>(Config(config)); }

}  // namespace impasto
