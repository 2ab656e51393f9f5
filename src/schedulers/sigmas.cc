#include "schedulers/sigmas.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/fail.h"
#include "schedulers/beta_distribution.h"
#include "schedulers/timesteps.h"

namespace impasto {

TrainingSigmas::TrainingSigmas(const NoiseSchedule& schedule) {
  for (float product : schedule.alphas_cumprod()) {
    sigmas_.push_back(std::sqrt((1.f - product) / product));
    logs_.push_back(std::log(sigmas_.back()));
  }
}

double TrainingSigmas::at(double timestep) const {
  const auto last = sigmas_.size() - 1;
  if (!(timestep > 0)) return sigmas_.front();
  if (timestep >= static_cast<double>(last)) return sigmas_.back();
  const auto below = static_cast<std::size_t>(timestep);
  const double low = sigmas_[below], slope = sigmas_[below + 1] - low;
  return slope * (timestep - static_cast<double>(below)) + low;
}

std::vector<double> TrainingSigmas::at(const std::vector<double>& timesteps) const {
  std::vector<double> sigmas;
  for (double t : timesteps) sigmas.push_back(at(t));
  return sigmas;
}

double TrainingSigmas::timestep(double sigma) const {
  if (logs_.size() < 2) return 0;
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  const auto above = std::upper_bound(logs_.begin(), logs_.end(), log_sigma) - logs_.begin();
  const std::ptrdiff_t below = std::clamp<std::ptrdiff_t>(above - 1, 0, static_cast<std::ptrdiff_t>(logs_.size()) - 2);
  const float low = logs_[static_cast<std::size_t>(below)], high = logs_[static_cast<std::size_t>(below) + 1];
  if (low == high) return static_cast<double>(below);
  const double weight = std::clamp((low - log_sigma) / (low - high), 0.0, 1.0);
  return (1 - weight) * static_cast<double>(below) + weight * static_cast<double>(below + 1);
}

std::vector<double> TrainingSigmas::timesteps(const std::vector<double>& sigmas) const {
  std::vector<double> timesteps;
  for (double sigma : sigmas) timesteps.push_back(timestep(sigma));
  return timesteps;
}

namespace {

std::optional<double> bound(const JsonObject& config, const char* key) {
  if (!config.has(key)) return std::nullopt;
  const double value = config.number(key, 0);
  if (!(value > 0 && value <= 1e6))
    fail(ErrorKind::bad_file, config.where(), ": field ", key, " is ", value, ", expected a number above 0, at most 1e6");
  return value;
}

}  // namespace

SigmaSpread::SigmaSpread(const JsonObject& config, const Knows& knows) {
  const bool karras = config.boolean("use_karras_sigmas", false), exponential = config.boolean("use_exponential_sigmas", false);
  const bool beta = config.boolean("use_beta_sigmas", false);
  if (karras + exponential + beta > 1)
    fail(ErrorKind::bad_file, config.where(), ": only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas may be true");
  const bool lu = knows.lu && config.boolean("use_lu_lambdas", false);
  kind_ = karras ? Kind::karras : lu ? Kind::lu : exponential ? Kind::exponential : beta ? Kind::beta : Kind::trained;
  if (!knows.bounds) return;
  sigma_min_ = bound(config, "sigma_min");
  sigma_max_ = bound(config, "sigma_max");
  if (sigma_min_ && sigma_max_ && *sigma_min_ >= *sigma_max_)
    fail(ErrorKind::bad_file, config.where(), ": sigma_min ", *sigma_min_, " is not below sigma_max ", *sigma_max_);
}

std::vector<double> SigmaSpread::between(double largest, double smallest, int n) const {
  largest = sigma_max_.value_or(largest);
  smallest = sigma_min_.value_or(smallest);
  constexpr double kRho = 7, kShape = 0.6;
  std::vector<double> sigmas;
  switch (kind_) {
    case Kind::karras:
      for (double root : linspace(std::pow(largest, 1 / kRho), std::pow(smallest, 1 / kRho), n)) sigmas.push_back(std::pow(root, kRho));
      break;
    case Kind::exponential:
      for (double log_sigma : linspace(std::log(largest), std::log(smallest), n)) sigmas.push_back(std::exp(log_sigma));
      break;
    case Kind::lu:  // between the logarithms of the training table, which are float32
      for (double log_sigma : linspace(static_cast<float>(std::log(largest)), static_cast<float>(std::log(smallest)), n))
        sigmas.push_back(std::exp(log_sigma));
      break;
    case Kind::beta:
      for (double p : linspace(1, 0, n)) sigmas.push_back(smallest + beta_quantile(p, kShape, kShape) * (largest - smallest));
      break;
    case Kind::trained: IMPASTO_CHECK(kind_ != Kind::trained);
  }
  return sigmas;
}

const char* to_string(SigmaSpread::Kind kind) {
  switch (kind) {
    case SigmaSpread::Kind::karras: return "karras";
    case SigmaSpread::Kind::exponential: return "exponential";
    case SigmaSpread::Kind::beta: return "beta";
    case SigmaSpread::Kind::lu: return "lu";
    case SigmaSpread::Kind::trained: break;
  }
  return "";
}

bool read_ends_at_zero(const JsonObject& config) {
  const std::string type = config.text("final_sigmas_type", "zero");
  if (type != "zero" && type != "sigma_min")
    fail(ErrorKind::unsupported, config.where(), ": final_sigmas_type \"", type, "\" is not known; there are zero, sigma_min");
  return type == "zero";
}

}  // namespace impasto
