// Pseudo linear multistep methods, with a Runge-Kutta start if wanted: PNDM (Liu et al., 2022, arXiv:2202.09778). The default of SD 1.x.
#include <cmath>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/output_history.h"
#include "schedulers/prediction.h"
#include "schedulers/timesteps.h"

namespace impasto {
namespace {

struct Config {
  NoiseSchedule schedule;
  TimestepOptions timesteps;
  PredictionType prediction;
  bool skip_prk_steps;  ///< no Runge-Kutta start
  bool set_alpha_to_one;

  explicit Config(const JsonObject& json)
      : schedule(json),
        timesteps(json, TimestepSpacing::leading, schedule.size()),
        prediction(read_prediction_type(json)),
        skip_prk_steps(json.boolean("skip_prk_steps", false)),
        set_alpha_to_one(json.boolean("set_alpha_to_one", false)) {}
};

constexpr int kRungeKuttaSteps = 4;

class Pndm final : public Scheduler {
 public:
  explicit Pndm(Config config) : config_(std::move(config)) {}

  void set_timesteps(int n) override;
  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) override;

 private:
  NoiseLevel level(int step) const override { return config_.schedule.level(whole_timestep(step)); }
  Tensor runge_kutta(const Tensor& output, int timestep, const Tensor& sample);
  Tensor multistep(const Tensor& output, int timestep, Tensor sample);
  Tensor adams_bashforth() const;
  Tensor transfer(const Tensor& output, int from, int to, const Tensor& sample) const;

  const Config config_;
  int stride_ = 0;           // between timesteps
  int num_runge_kutta_ = 0;  // network calls of the start
  int calls_ = 0;            // of step() since set_timesteps
  OutputHistory history_{4};
  Tensor start_;  // sample that the current group of calls starts from
  int start_timestep_ = 0;
  Tensor weighted_;  // sum of the Runge-Kutta stages so far
};

// Runge-Kutta calls the network at t, t - stride / 2 twice, t - stride, for each of the first three steps; without it, the second
// timestep comes twice: the step to it is done again once its output is known.
void Pndm::set_timesteps(int n) {
  check_num_steps(n, config_.schedule.size());
  const std::vector<double> visited = whole_timesteps(config_.timesteps, n);
  stride_ = config_.schedule.size() / n;
  timesteps_.clear();
  if (config_.skip_prk_steps) {
    timesteps_ = visited;
    if (n > 1) timesteps_.insert(timesteps_.begin() + 1, visited[1]);
    num_runge_kutta_ = 0;
  } else {
    if (n < kRungeKuttaSteps)
      fail(ErrorKind::invalid_argument, "num_inference_steps is ", n, "; PNDM with a Runge-Kutta start (skip_prk_steps false) takes ",
           kRungeKuttaSteps, " or more");
    for (std::size_t i = 0; i + 1 < kRungeKuttaSteps; ++i) {
      const double middle = visited[i + 1] + stride_ / 2;
      timesteps_.insert(timesteps_.end(), {visited[i], middle, middle, visited[i + 1]});
    }
    num_runge_kutta_ = static_cast<int>(timesteps_.size());
    timesteps_.insert(timesteps_.end(), visited.begin() + kRungeKuttaSteps - 1, visited.end());
  }
  calls_ = 0;
  history_.clear();
  start_ = weighted_ = Tensor();
}

Tensor Pndm::step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions&) {
  const int t = whole_timestep(step);
  Tensor next = calls_ < num_runge_kutta_ ? runge_kutta(output, t, sample) : multistep(output, t, sample);
  ++calls_;
  return next;
}

// Classical fourth-order stages: weights 1/6, 1/3, 1/3, 1/6. Each call but the last of a group returns the point of the next stage.
Tensor Pndm::runge_kutta(const Tensor& output, int timestep, const Tensor& sample) {
  const int stage = calls_ % 4;
  if (stage == 0) {
    history_.push(output);
    start_ = sample;
    start_timestep_ = timestep;
    weighted_ = ops::combine({{1.0 / 6, output}});
  } else {
    weighted_ = ops::combine({{1, weighted_}, {stage == 3 ? 1.0 / 6 : 1.0 / 3, output}});
  }
  const int to = timestep - (calls_ % 2 == 0 ? stride_ / 2 : 0);
  return transfer(stage == 3 ? weighted_ : output, start_timestep_, to, start_);
}

Tensor Pndm::multistep(const Tensor& output, int timestep, Tensor sample) {
  int from = timestep, to = timestep - stride_;
  Tensor direction = output;
  if (calls_ == 1 && num_runge_kutta_ == 0) {
    // The first step once more, with the mean of the outputs at both its ends.
    from = timestep + stride_;
    to = timestep;
    direction = ops::combine({{0.5, output}, {0.5, history_[0]}});
    sample = std::exchange(start_, Tensor());
  } else {
    history_.push(output);
    direction = adams_bashforth();
    if (calls_ == 0) start_ = sample;
  }
  return transfer(direction, from, to, sample);
}

// As high an order as there are outputs.
Tensor Pndm::adams_bashforth() const {
  const OutputHistory& e = history_;
  switch (e.size()) {
    case 1: return e[0];
    case 2: return ops::combine({{3. / 2, e[0]}, {-1. / 2, e[1]}});
    case 3: return ops::combine({{23. / 12, e[0]}, {-16. / 12, e[1]}, {5. / 12, e[2]}});
    default: return ops::combine({{55. / 24, e[0]}, {-59. / 24, e[1]}, {37. / 24, e[2]}, {-9. / 24, e[3]}});
  }
}

// The transfer part: along the predicted noise from one timestep to another; below timestep 0 lies the clean sample.
Tensor Pndm::transfer(const Tensor& output, int from, int to, const Tensor& sample) const {
  const double a = config_.schedule.alpha_cumprod(from);
  const double b = to >= 0 ? config_.schedule.alpha_cumprod(to) : config_.set_alpha_to_one ? 1.0 : config_.schedule.alpha_cumprod(0);
  const Tensor noise = predict_noise(config_.prediction, config_.schedule.level(from), output, sample);
  const double divisor = a * std::sqrt(1 - b) + std::sqrt(a * (1 - a) * b);
  return ops::combine({{std::sqrt(b / a), sample}, {-(b - a) / divisor, noise}});
}

}  // namespace

std::unique_ptr<Scheduler> make_pndm(const JsonObject& config) { return std::make_unique<Pndm>(Config(config)); }

}  // namespace impasto
