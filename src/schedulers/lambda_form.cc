#include "schedulers/lambda_form.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"

namespace impasto {

LambdaForm::LambdaForm(const JsonObject& config, ZeroSnr zero_snr, const SigmaSpread& spread, bool knows_spacing)
    : schedule_(config, {.zero_snr = zero_snr}),
      training_(schedule_),
      timesteps_(knows_spacing ? TimestepOptions(config, TimestepSpacing::linspace, schedule_.size()) : TimestepOptions(schedule_.size())),
      prediction_(read_prediction_type(config)),
      spread_(spread),
      limits_(CleanLimits::thresholding(config)) {
  if (config.boolean("use_flow_sigmas", false))
    fail(ErrorKind::unsupported, config.where(), ": use_flow_sigmas is for flow-matching models, which are not supported");
}

int LambdaForm::timesteps_from(double lambda_min) const {
  const auto noisier =
      std::count_if(training_.values().begin(), training_.values().end(), [&](double sigma) { return -std::log(sigma) < lambda_min; });
  return std::max(1, num_train() - static_cast<int>(noisier));
}

SigmaPath LambdaForm::path(int n, int end, bool cut_timesteps) const {
  check_num_steps(n, num_train());
  SigmaPath path;
  if (!spread_) {
    path.timesteps = whole_timesteps_above_zero(timesteps_, n, end);
    path.sigmas = training_.at(path.timesteps);
    return path;
  }
  path.sigmas = spread_.between(training_.largest(), training_.smallest(), n);
  path.timesteps = training_.timesteps(path.sigmas);
  const bool evenly = spread_.kind() == SigmaSpread::Kind::karras || spread_.kind() == SigmaSpread::Kind::lu;
  for (double& t : path.timesteps) t = evenly && !cut_timesteps ? std::nearbyint(t) : std::trunc(t);
  return path;
}

Tensor LambdaForm::predict_clean(const Tensor& output, double sigma, const Tensor& sample) const {
  return limits_.apply(impasto::predict_clean(prediction_, NoiseLevel::from_ratio(sigma), output, sample));
}

Tensor LambdaForm::predict_noise(const Tensor& output, double sigma, const Tensor& sample) const {
  const NoiseLevel level = NoiseLevel::from_ratio(sigma);
  if (!limits_) return impasto::predict_noise(prediction_, level, output, sample);
  return impasto::predict_noise(PredictionType::sample, level, predict_clean(output, sigma, sample), sample);
}

int read_solver_order(const JsonObject& config, int most) { return static_cast<int>(config.integer("solver_order", 2, 1, most)); }

std::string read_solver_name(const JsonObject& config, const char* key, const std::vector<std::string>& own,
                             const std::vector<std::string>& foreign) {
  const std::string name = config.text(key, own.front());
  if (std::find(own.begin(), own.end(), name) != own.end()) return name;
  if (std::find(foreign.begin(), foreign.end(), name) != foreign.end()) return own.front();
  std::string known;
  for (const std::string& each : own) known += (known.empty() ? "" : ", ") + each;
  fail(ErrorKind::unsupported, config.where(), ": ", key, " \"", name, "\" is not known; there are ", known);
}

int usable_order(const std::vector<double>& sigmas, int step, int order) {
  int usable = 1;
  while (usable < order && step - usable >= 0 &&
         sigmas[static_cast<std::size_t>(step - usable)] != sigmas[static_cast<std::size_t>(step - usable + 1)])
    ++usable;
  return usable;
}

}  // namespace impasto
