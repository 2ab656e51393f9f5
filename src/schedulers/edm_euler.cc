// Euler's method for networks trained in EDM's form (Karras et al., 2022, arXiv:2206.00364, table 1 and algorithm 2 without its correction): the
// network sees c_in x at log(sigma) / 4, and c_skip x + c_out F is clean. CosXL is such a model.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/fail.h"
#include "ops/ops.h"
#include "schedulers/algorithms.h"
#include "schedulers/karras_form.h"

namespace impasto {
namespace {

double read_positive(const JsonObject& json, const char* key, double fallback) {
  const double value = json.number(key, fallback);
  if (!(value > 0 && value <= 1e6)) fail(ErrorKind::bad_file, json.where(), ": ", key, " is ", value, ", expected above 0, up to 1e6");
  return value;
}

struct Config {
  double sigma_min, sigma_max, sigma_data, rho;
  bool exponential, ends_at_zero;
  PredictionType predicted;
  int num_train;

  explicit Config(const JsonObject& json)
      : sigma_min(read_positive(json, "sigma_min", 0.002)),
        sigma_max(read_positive(json, "sigma_max", 80)),
        sigma_data(read_positive(json, "sigma_data", 0.5)),
        rho(read_positive(json, "rho", 7)),
        ends_at_zero(read_ends_at_zero(json)),
        num_train(static_cast<int>(json.integer("num_train_timesteps", 1000, 1, 100000))) {
    const std::string schedule = json.text("sigma_schedule", "karras");
    if (schedule != "karras" && schedule != "exponential")
      fail(ErrorKind::unsupported, json.where(), ": sigma_schedule \"", schedule, "\" is not known; there are karras, exponential");
    exponential = schedule == "exponential";
    predicted = read_prediction_type(json);
    if (sigma_min >= sigma_max) fail(ErrorKind::bad_file, json.where(), ": sigma_min is ", sigma_min, ", and has to be below sigma_max, ", sigma_max);
  }
};

class EdmEuler final : public Scheduler {
 public:
  explicit EdmEuler(const Config& config) : config_(config) {}

  void set_timesteps(int n) override {
    check_num_steps(n, config_.num_train);
    sigmas_.clear(), timesteps_.clear();
    for (int i = 0; i < n; ++i) sigmas_.push_back(level_at(n == 1 ? 0 : static_cast<double>(i) / (n - 1)));
    if (n == 1 && config_.exponential) sigmas_.front() = config_.sigma_min;  // as diffusers' linspace of one
    sigmas_.push_back(config_.ends_at_zero ? 0 : sigmas_.back());
    round_to_float32(sigmas_);
    for (int i = 0; i < n; ++i) timesteps_.push_back(0.25 * std::log(sigma(i)));
    round_to_float32(timesteps_);
  }

  double init_noise_sigma() const override { return std::sqrt(config_.sigma_max * config_.sigma_max + 1); }

  Tensor scale_model_input(const Tensor& sample, int step) const override { return ops::combine({{1 / std::sqrt(variance(step)), sample}}); }

  Tensor predicted_clean(PredictionType, const Tensor& output, int step, const Tensor& sample) const override { return clean(output, step, sample); }

  Tensor step(const Tensor& output, int step, const Tensor& sample, const NoiseSource&, const StepOptions&) override {
    return euler_step(sample, clean(output, step, sample), sigma(step), sigma(step + 1));
  }

 private:
  Tensor clean(const Tensor& output, int step, const Tensor& sample) const {
    if (config_.predicted == PredictionType::sample) return output;
    const double data = config_.sigma_data, c_out = sigma(step) * data / std::sqrt(variance(step));
    return ops::combine({{data * data / variance(step), sample}, {config_.predicted == PredictionType::v_prediction ? -c_out : c_out, output}});
  }

  /// The level at a share of the way.
  double level_at(double share) const {
    const double exponent = config_.exponential ? 0 : 1 / config_.rho;
    const auto bend = [&](double sigma) { return config_.exponential ? std::log(sigma) : std::pow(sigma, exponent); };
    const double bent = bend(config_.sigma_max) + share * (bend(config_.sigma_min) - bend(config_.sigma_max));
    return config_.exponential ? std::exp(bent) : std::pow(bent, config_.rho);
  }

  double variance(int step) const { return sigma(step) * sigma(step) + config_.sigma_data * config_.sigma_data; }
  NoiseLevel level(int step) const override { return NoiseLevel::exploding(sigma(step)); }

  const Config config_;
};

}  // namespace

std::unique_ptr<Scheduler> make_edm_euler(const JsonObject& config) { return std::make_unique<EdmEuler>(Config(config)); }

}  // namespace impasto
