#include "schedulers/noise_schedule.h"

#include <cmath>
#include <numbers>
#include <string>

#include "core/fail.h"

namespace impasto {

namespace {

constexpr int kMostTimesteps = 100000;

// torch.linspace in float32: counted from the nearer end, with fused products.
std::vector<float> linspace_float32(float first, float last, int n) {
  std::vector<float> values(static_cast<std::size_t>(n), first);
  const float step = n > 1 ? (last - first) / static_cast<float>(n - 1) : 0.f;
  for (int i = 0; i < n; ++i)
    values[static_cast<std::size_t>(i)] =
        i < n / 2 ? std::fma(step, static_cast<float>(i), first) : std::fma(-step, static_cast<float>(n - 1 - i), last);
  return values;
}

// Betas whose cumulative product follows a squared cosine (Nichol and Dhariwal, 2021), at most 0.999 each.
std::vector<float> squared_cosine_betas(int n) {
  const auto alpha_bar = [](double t) { return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2); };
  std::vector<float> betas;
  for (int i = 0; i < n; ++i)
    betas.push_back(static_cast<float>(std::min(1 - alpha_bar((i + 1.0) / n) / alpha_bar(static_cast<double>(i) / n), 0.999)));
  return betas;
}

double beta_field(const JsonObject& config, const char* key, double fallback) {
  const double beta = config.number(key, fallback);
  if (!(beta > 0 && beta < 1)) fail(ErrorKind::bad_file, config.where(), ": field ", key, " is ", beta, ", expected a number between 0 and 1");
  return beta;
}

std::vector<float> trained_betas(const JsonObject& config, int n) {
  const std::vector<double> given = config.numbers("trained_betas", {});
  if (static_cast<int>(given.size()) != n)
    fail(ErrorKind::bad_file, config.where(), ": field trained_betas has ", given.size(), " values, expected num_train_timesteps = ", n);
  for (double beta : given)
    if (!(beta > 0 && beta < 1))
      fail(ErrorKind::bad_file, config.where(), ": field trained_betas holds ", beta, ", expected numbers between 0 and 1");
  return {given.begin(), given.end()};
}

std::vector<float> read_betas(const JsonObject& config, const NoiseDefaults& defaults) {
  const int n = static_cast<int>(config.integer("num_train_timesteps", 1000, 1, kMostTimesteps));
  if (config.has("trained_betas")) return trained_betas(config, n);
  const double start = beta_field(config, "beta_start", defaults.beta_start), end = beta_field(config, "beta_end", defaults.beta_end);
  const std::string schedule = config.text("beta_schedule", defaults.beta_schedule);
  if (schedule == "linear") return linspace_float32(static_cast<float>(start), static_cast<float>(end), n);
  if (schedule == "squaredcos_cap_v2") return squared_cosine_betas(n);
  if (schedule == "scaled_linear") {
    std::vector<float> betas = linspace_float32(static_cast<float>(std::sqrt(start)), static_cast<float>(std::sqrt(end)), n);
    for (float& beta : betas) beta *= beta;
    return betas;
  }
  fail(ErrorKind::unsupported, config.where(), ": beta_schedule \"", schedule, "\" is not known; there are linear, scaled_linear, squaredcos_cap_v2");
}

// torch multiplies in double and rounds each product.
std::vector<float> cumulative_alphas(const std::vector<float>& betas) {
  std::vector<float> products;
  double product = 1;
  for (float beta : betas) products.push_back(static_cast<float>(product *= 1.f - beta));
  return products;
}

// Shifts sqrt(alphas_cumprod) so that the last is zero, and scales it so that the first stays.
std::vector<float> zero_terminal_snr(const std::vector<float>& betas) {
  std::vector<float> roots = cumulative_alphas(betas);
  for (float& root : roots) root = std::sqrt(root);
  const float first = roots.front(), last = roots.back(), scale = first / (first - last);
  std::vector<float> rescaled;
  float before = 1;
  for (float root : roots) {
    const float shifted = (root - last) * scale, product = shifted * shifted;
    rescaled.push_back(1.f - product / before);
    before = product;
  }
  return rescaled;
}

}  // namespace

NoiseSchedule::NoiseSchedule(const JsonObject& config, const NoiseDefaults& defaults) : betas_(read_betas(config, defaults)) {
  const bool rescale = defaults.zero_snr != ZeroSnr::ignored && config.boolean("rescale_betas_zero_snr", false) && betas_.size() > 1;
  if (rescale) betas_ = zero_terminal_snr(betas_);
  alphas_cumprod_ = cumulative_alphas(betas_);
  if (rescale && defaults.zero_snr == ZeroSnr::finite) alphas_cumprod_.back() = 0x1p-24f;
  // Outside these bounds the noise levels are zero, infinite or not numbers; only the last may be pure noise, and only by rescaling.
  for (const float& product : alphas_cumprod_) {
    const bool last_rescaled = rescale && &product == &alphas_cumprod_.back();
    if (!(product < 1 && (product > 0 || last_rescaled)))
      fail(ErrorKind::bad_file, config.where(), ": the betas multiply up to an alphas_cumprod of ", product,
           ", which float32 cannot tell from no noise or nothing but noise");
  }
}

}  // namespace impasto
