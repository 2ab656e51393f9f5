#include "schedulers/consistency_timesteps.h"

#include <cmath>

#include "core/fail.h"

namespace impasto {

int read_original_steps(const JsonObject& config, int num_train) {
  const auto steps = static_cast<int>(config.integer("original_inference_steps", 50, 1, INT32_MAX));
  if (steps > num_train)
    fail(ErrorKind::bad_file, config.where(), ": original_inference_steps is ", steps, ", more than num_train_timesteps ", num_train);
  return steps;
}

std::vector<double> consistency_timesteps(int num_train, int original_steps, int n) {
  if (n < 1 || n > original_steps)
    fail(ErrorKind::invalid_argument, "num_inference_steps is ", n, "; this scheduler takes 1 to ", original_steps,
         " (original_inference_steps, the timesteps that the model was distilled with)");
  const int stride = num_train / original_steps;
  const double skip = static_cast<double>(original_steps) / n;
  std::vector<double> timesteps;
  for (int i = 0; i < n; ++i) timesteps.push_back((original_steps - std::floor(i * skip)) * stride - 1);
  return timesteps;
}

}  // namespace impasto
