// The timesteps of distilled models (LCM, TCD): some of those that the distillation used.
#pragma once

#include <vector>

#include "core/json.h"
#include "schedulers/noise_schedule.h"

namespace impasto {

/// The defaults of LCM and TCD.
inline constexpr NoiseDefaults kConsistencyDefaults{
    .zero_snr = ZeroSnr::exact, .beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = "scaled_linear"};

/// Reads original_inference_steps, the number of timesteps of the distillation.
int read_original_steps(const JsonObject& config, int num_train);

/// n of those timesteps, downwards from the noisiest. Throws invalid_argument unless 1 <= n <= original_steps.
std::vector<double> consistency_timesteps(int num_train, int original_steps, int n);

}  // namespace impasto
