#include "schedulers/timesteps.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/fail.h"

namespace impasto {
namespace {

TimestepSpacing parse_spacing(const JsonObject& config, TimestepSpacing fallback) {
  if (!config.has("timestep_spacing")) return fallback;
  const std::string name = config.text("timestep_spacing", "");
  if (name == "linspace") return TimestepSpacing::linspace;
  if (name == "leading") return TimestepSpacing::leading;
  if (name == "trailing") return TimestepSpacing::trailing;
  fail(ErrorKind::unsupported, config.where(), ": timestep_spacing \"", name, "\" is not known; there are linspace, leading, trailing");
}

// numpy.arange(end, 0, -num_train / n), rounded, less one. numpy steps by the rounded difference of its first two values, and now and
// then (1000 in 61 steps) adds a last value next to zero, whose timestep would be -1: that one is left out.
std::vector<double> trailing_timesteps(int num_train, int n, int end) {
  const double ratio = static_cast<double>(num_train) / n, step = (end - ratio) - end;
  const int count = std::min(n, static_cast<int>(std::ceil(end / ratio)));
  std::vector<double> timesteps;
  for (int i = 0; i < count; ++i) timesteps.push_back(std::nearbyint(end + i * step) - 1);
  return timesteps;
}

std::vector<double> leading_timesteps(int first, int last, int ratio, int offset) {
  std::vector<double> timesteps;
  for (int i = last; i >= first; --i) timesteps.push_back(static_cast<double>(i) * ratio + offset);
  return timesteps;
}

}  // namespace

TimestepOptions::TimestepOptions(const JsonObject& config, TimestepSpacing fallback, int num_train_timesteps)
    : spacing(parse_spacing(config, fallback)),
      offset(static_cast<int>(config.integer("steps_offset", 0, 0, num_train_timesteps - 1))),
      num_train(num_train_timesteps) {}

void check_num_steps(int n, int most) {
  if (n < 1 || n > most) fail(ErrorKind::invalid_argument, "num_inference_steps is ", n, "; this scheduler takes 1 to ", most);
}

std::vector<double> linspace(double first, double last, int n) {
  std::vector<double> values(static_cast<std::size_t>(n), first);
  if (n < 2) return values;
  const double step = (last - first) / (n - 1);
  for (int i = 0; i < n; ++i) values[static_cast<std::size_t>(i)] = i * step + first;
  values.back() = last;
  return values;
}

std::vector<double> spaced_timesteps(const TimestepOptions& options, int n) {
  switch (options.spacing) {
    case TimestepSpacing::leading: return leading_timesteps(0, n - 1, options.num_train / n, options.offset);
    case TimestepSpacing::trailing: return trailing_timesteps(options.num_train, n, options.num_train);
    case TimestepSpacing::linspace: break;
  }
  std::vector<double> timesteps = linspace(0, options.num_train - 1, n);
  std::reverse(timesteps.begin(), timesteps.end());
  return timesteps;
}

std::vector<double> whole_timesteps(const TimestepOptions& options, int n) {
  std::vector<double> timesteps = spaced_timesteps(options, n);
  for (double& t : timesteps) t = std::nearbyint(t);
  if (timesteps.front() >= options.num_train)
    fail(ErrorKind::invalid_argument, "num_inference_steps ", n, " with steps_offset ", options.offset, " starts at timestep ", timesteps.front(),
         ", but the model knows 0 to ", options.num_train - 1, "; take fewer steps");
  return timesteps;
}

std::vector<double> whole_timesteps_above_zero(const TimestepOptions& options, int n, int end) {
  if (options.spacing == TimestepSpacing::trailing) return trailing_timesteps(options.num_train, n, end);
  if (options.spacing == TimestepSpacing::leading) {
    const int ratio = end / (n + 1);
    if (ratio == 0) fail(ErrorKind::invalid_argument, "num_inference_steps is ", n, "; with leading timesteps this scheduler takes 1 to ", end - 1);
    return leading_timesteps(1, n, ratio, options.offset);
  }
  std::vector<double> timesteps = linspace(0, end - 1, n + 1);
  std::reverse(timesteps.begin(), timesteps.end());
  timesteps.pop_back();
  for (double& t : timesteps) t = std::nearbyint(t);
  return timesteps;
}

void round_to_float32(std::vector<double>& values) {
  for (double& value : values) value = static_cast<float>(value);
}

std::vector<double> doubled_after_first(const std::vector<double>& values) {
  std::vector<double> doubled(values.begin(), values.begin() + 1);
  for (std::size_t i = 1; i < values.size(); ++i) doubled.insert(doubled.end(), 2, values[i]);
  return doubled;
}

}  // namespace impasto
