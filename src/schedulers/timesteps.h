// Which training timesteps to visit.
#pragma once

#include <vector>

#include "core/json.h"

namespace impasto {

/// Lin et al., 2023, table 2. Only `trailing` always visits the last training timestep.
enum class TimestepSpacing { linspace, leading, trailing };

/// Fields timestep_spacing and steps_offset, over a number of training timesteps.
struct TimestepOptions {
  TimestepSpacing spacing = TimestepSpacing::linspace;
  int offset = 0;  ///< added to `leading` timesteps
  int num_train;

  explicit TimestepOptions(int num_train_timesteps) : num_train(num_train_timesteps) {}
  TimestepOptions(const JsonObject& config, TimestepSpacing fallback, int num_train_timesteps);
};

/// Throws invalid_argument unless 1 <= n <= most.
void check_num_steps(int n, int most);

/// numpy.linspace: n values from first to last; only `first` for n = 1.
std::vector<double> linspace(double first, double last, int n);

/// n timesteps, downwards from the noisiest; those of `linspace` lie between whole numbers.
std::vector<double> spaced_timesteps(const TimestepOptions& options, int n);

/// The same in whole numbers, all of them below num_train. Throws invalid_argument where n and the offset together pass it.
std::vector<double> whole_timesteps(const TimestepOptions& options, int n);

/// What solvers that step down to zero noise by themselves use: the first n of n + 1 timesteps, in whole numbers, the last of which would be 0.
/// Only the timesteps below `end` count; `trailing` then gives fewer than n.
std::vector<double> whole_timesteps_above_zero(const TimestepOptions& options, int n, int end);

/// In place, as many solvers' tables have them.
void round_to_float32(std::vector<double>& values);

/// a, b, c -> a, b, b, c, c: for schedulers that call the network twice a step.
std::vector<double> doubled_after_first(const std::vector<double>& values);

}  // namespace impasto
