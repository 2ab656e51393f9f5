// Unified predictor-corrector: UniPC (Zhao et al., 2023, arXiv:2302.04867). Each call first corrects the sample that
// the call before predicted.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/lambda_form.h"
#include "schedulers/output_history.h"

namespace impasto {
namespace {

constexpr int kMostOrder = 5;

struct Config {
  LambdaForm form;
  int order;
  bool predict_clean;  ///< predict_x0: integrates the clean sample, not the noise
  bool bh2;            ///< B(h) = e^h - 1, not h
  bool lower_order_final, ends_at_zero;
  std::vector<std::int64_t> uncorrected_steps;

  explicit Config(const JsonObject& json)
      : form(json, ZeroSnr::finite, SigmaSpread(json, {.bounds = true})),
        order(read_solver_order(json, kMostOrder)),
        predict_clean(json.boolean("predict_x0", true)),
        bh2(read_solver_name(json, "solver_type", {"bh2", "bh1"}, {"midpoint", "heun", "logrho"}) == "bh2"),
        lower_order_final(json.boolean("lower_order_final", true)),
        ends_at_zero(read_ends_at_zero(json)),
        uncorrected_steps(json.integers("disable_corrector", {}, 0, INT32_MAX)) {
    if (json.has("solver_p")) fail(ErrorKind::unsupported, json.where(), ": solver_p, another scheduler as the predictor, is not supported");
    if (ends_at_zero && !predict_clean)
      fail(ErrorKind::unsupported, json.where(), ": predict_x0 false cannot end at zero noise; set final_sigmas_type to sigma_min");
  }
};

/// Solves the n x n system by elimination with row pivoting.
std::vector<double> solve(std::vector<std::vector<double>> rows, std::vector<double> right) {
  const std::size_t n = right.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::size_t pivot = i;
    for (std::size_t r = i + 1; r < n; ++r)
      if (std::abs(rows[r][i]) > std::abs(rows[pivot][i])) pivot = r;
    std::swap(rows[i], rows[pivot]);
    std::swap(right[i], right[pivot]);
    for (std::size_t r = i + 1; r < n; ++r) {
      const double factor = rows[r][i] / rows[i][i];
      for (std::size_t c = i; c < n; ++c) rows[r][c] -= factor * rows[i][c];
      right[r] -= factor * right[i];
    }
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t c = i + 1; c < n; ++c) right[i] -= rows[i][c] * right[c];
    right[i] /= rows[i][i];
  }
  return right;
}

class UniPc final : public Scheduler {
 public:
  explicit UniPc(Config config) : config_(std::move(config)), history_(config_.order + 1) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n);
    timesteps_ = std::move(path.timesteps);
    sigmas_ = std::move(path.sigmas);
    sigmas_.push_back(config_.ends_at_zero ? 0 : config_.form.spread() ? sigmas_.back() : config_.form.training().smallest());
    round_to_float32(sigmas_);
    history_.clear();
    previous_ = Tensor();
  }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions&) override {
    history_.push(config_.predict_clean ? config_.form.predict_clean(output, sigma(step), sample)
                                        : config_.form.predict_noise(output, sigma(step), sample));
    const bool corrects =
        previous_ && std::find(config_.uncorrected_steps.begin(), config_.uncorrected_steps.end(), step - 1) == config_.uncorrected_steps.end();
    const Tensor corrected = corrects ? advance(previous_, step - 1, order_, /*knows_target=*/true) : sample;
    int order = std::min(config_.order, history_.size());
    if (config_.lower_order_final) order = std::min(order, static_cast<int>(timesteps_.size()) - step);
    order_ = sigma(step + 1) == 0 ? 1 : usable_order(sigmas_, step, order);
    previous_ = corrected;
    return advance(corrected, step, order_, /*knows_target=*/false);
  }

 private:
  NoiseLevel level(int step) const override { return NoiseLevel::from_ratio(sigma(step)); }
  Tensor advance(const Tensor& start, int step, int order, bool knows_target) const;
  std::vector<double> weights(const std::vector<double>& ratios, double z) const;
  double b(double z) const { return config_.bh2 ? std::expm1(z) : z; }

  const Config config_;
  OutputHistory history_;
  Tensor previous_;  // corrected sample of the step before
  int order_ = 1;    // of the step before
};

// From the sample at `step` to the next level, with the outputs at `step` and `order` - 1 levels before it, and the one at the target when
// that is known already (the corrector): x = a x + c m0 + B(h) * sum of weight * (m_i - m0) / r_i.
Tensor UniPc::advance(const Tensor& start, int step, int order, bool knows_target) const {
  const NoiseLevel from = level(step), to = level(step + 1);
  if (sigma(step) == sigma(step + 1)) return start;
  const double h = to.lambda() - from.lambda(), z = config_.predict_clean ? -h : h;
  const double keep = config_.predict_clean ? to.sigma / from.sigma : to.alpha / from.alpha;
  const double scale = config_.predict_clean ? to.alpha : to.sigma;
  const int newest = knows_target ? 1 : 0;  // age of the output at `step`

  const Tensor& m0 = history_[newest];
  Tensor next = ops::combine({{keep, start}, {-scale * std::expm1(z), m0}});
  std::vector<double> ratios;
  for (int i = 1; i < order; ++i) ratios.push_back((level(step - i).lambda() - from.lambda()) / h);
  if (knows_target) ratios.push_back(1);
  if (ratios.empty()) return next;
  const std::vector<double> weight = weights(ratios, z);
  for (std::size_t i = 0; i < ratios.size(); ++i) {
    const int age = knows_target && i + 1 == ratios.size() ? 0 : newest + static_cast<int>(i) + 1;
    const double factor = -scale * b(z) * weight[i] / ratios[i];
    next = ops::combine({{1, next}, {factor, history_[age]}, {-factor, m0}});
  }
  return next;
}

// The weights that match the expansion of the integral to the order of their number; one alone is 1/2.
std::vector<double> UniPc::weights(const std::vector<double>& ratios, double z) const {
  const std::size_t n = ratios.size();
  if (n == 1) return {0.5};
  std::vector<std::vector<double>> powers(n, std::vector<double>(n, 1));
  std::vector<double> right;
  double phi = std::expm1(z) / z - 1, factorial = 1;
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0)
      for (std::size_t k = 0; k < n; ++k) powers[i][k] = powers[i - 1][k] * ratios[k];
    right.push_back(phi * factorial / b(z));
    factorial *= static_cast<double>(i + 2);
    phi = phi / z - 1 / factorial;
  }
  return solve(std::move(powers), std::move(right));
}

}  // namespace

std::unique_ptr<Scheduler> make_unipc(const JsonObject& config) { return std::make_unique<UniPc>(Config(config)); }

}  // namespace impasto
