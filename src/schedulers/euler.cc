// Euler's method: EDM (Karras et al., 2022, arXiv:2206.00364), algorithm 2 without its correction.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"
#include "schedulers/own_path.h"

namespace impasto {
namespace {

bool read_choice(const JsonObject& json, const char* key, const char* usual, const char* other) {
  const std::string name = json.text(key, usual);
  if (name != usual && name != other)
    fail(ErrorKind::unsupported, json.where(), ": ", key, " \"", name, "\" is not known; there are ", usual, ", ", other);
  return name == other;
}

struct Config {
  KarrasForm form;
  bool log_linear;  ///< interpolation_type: levels even in log sigma, one more than timesteps
  bool continuous;  ///< timestep_type: the network is told log(sigma) / 4, with v_prediction only
  bool ends_at_zero;

  explicit Config(const JsonObject& json)
      : form(json, {.zero_snr = ZeroSnr::finite}, SigmaSpread(json, {.bounds = true})),
        log_linear(read_choice(json, "interpolation_type", "linear", "log_linear")),
        continuous(read_choice(json, "timestep_type", "discrete", "continuous") && form.prediction() == PredictionType::v_prediction),
        ends_at_zero(read_ends_at_zero(json)) {}
};

class Euler final : public Scheduler {
 public:
  explicit Euler(Config config) : config_(std::move(config)) {}

  SigmaSpread::Kind spread() const override { return config_.form.spread().kind(); }
  void set_timesteps(int n) override {
    SigmaPath path = config_.form.path(n);
    const TrainingSigmas& training = config_.form.training();
    if (config_.log_linear) {
      path.sigmas = linspace(std::log(training.largest()), std::log(training.smallest()), n + 1);
      for (double& sigma : path.sigmas) sigma = std::exp(sigma);
      if (config_.form.spread()) path = config_.form.spread_path(path.sigmas.front(), path.sigmas.back(), n);
    }
    path.sigmas.push_back(last_sigma());
    follow(std::move(path));
  }

  void set_path(const SigmaPath& own) override {
    if (own.sigmas.empty() && (config_.log_linear || config_.continuous))
      fail(ErrorKind::invalid_argument, "timesteps of one's own do not go with interpolation_type log_linear or timestep_type continuous");
    SigmaPath path = completed(own, config_.form.training(), config_.form.spread());
    if (own.sigmas.empty()) path.sigmas.push_back(last_sigma());
    follow(std::move(path));
  }

  double init_noise_sigma() const override { return config_.form.init_noise_sigma(sigma(0)); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource& noise, const StepOptions& options) override {
    const double gamma = std::min(options.s_churn / static_cast<double>(sigmas_.size() - 1), std::numbers::sqrt2 - 1);
    const double from = sigma(step) * (1 + gamma), next = sigma(step + 1);
    Tensor start = sample;
    if (gamma > 0) start = ops::combine({{1, sample}, {options.s_noise * std::sqrt(from * from - sigma(step) * sigma(step)), noise(sample.shape())}});
    // Where v is predicted, diffusers leaves the added noise out of the level.
    const double level = config_.form.prediction() == PredictionType::v_prediction ? sigma(step) : from;
    return euler_step(start, config_.form.predict_clean(output, level, start), from, next);
  }

 private:
  double last_sigma() const { return config_.ends_at_zero ? 0 : config_.form.training().smallest(); }

  void follow(SigmaPath path) {
    sigmas_ = std::move(path.sigmas);
    round_to_float32(sigmas_);
    timesteps_ = std::move(path.timesteps);
    if (config_.continuous)
      for (std::size_t i = 0; i < timesteps_.size(); ++i) timesteps_[i] = 0.25 * std::log(sigmas_[i]);
    round_to_float32(timesteps_);
  }

  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler(const JsonObject& config) { return std::make_unique<Euler>(Config(config)); }

}  // namespace impasto
