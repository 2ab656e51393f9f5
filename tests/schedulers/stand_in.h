// What scheduler tests walk with: tensors on the reference backend, and a cheap stand-in for the network.
#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/reference_backend.h"
#include "ops/tensor.h"
#include "schedulers/scheduler.h"

namespace impasto {

inline void PrintTo(const SchedulerName& name, std::ostream* out) { *out << name.short_name; }

}  // namespace impasto

namespace impasto::test {

inline Backend& reference() {
  static const std::unique_ptr<Backend> backend = make_reference_backend();
  return *backend;
}

inline Tensor tensor(const Shape& shape, const std::vector<float>& values) { return Tensor::from_host(reference(), shape, values.data()); }

/// A test's name for a scheduler: "dpm++_2m" is DPMSolverMultistepScheduler_dpmpp_2m.
inline std::string test_name(const testing::TestParamInfo<SchedulerName>& info) {
  std::string name = info.param.class_name + "_" + info.param.short_name;
  std::replace(name.begin(), name.end(), '+', 'p');
  return name;
}

/// 0.3 x cos(t / 500) + 0.1 sin(3 x), in float32: smooth, bounded in x, and different at every timestep.
inline Tensor stand_in(const Tensor& x, double timestep) {
  std::vector<float> values = x.to_host();
  const float wave = std::cos(static_cast<float>(timestep) / 500.f);
  for (float& v : values) v = 0.3f * v * wave + 0.1f * std::sin(3.f * v);
  return tensor(x.shape(), values);
}

/// The latents before the first and after each call, from unit noise on.
inline std::vector<Tensor> walk(Scheduler& scheduler, const Tensor& unit_noise, const NoiseSource& source, const StepOptions& options = {}) {
  std::vector<float> first = unit_noise.to_host();
  for (float& v : first) v *= static_cast<float>(scheduler.init_noise_sigma());
  std::vector<Tensor> path = {tensor(unit_noise.shape(), first)};
  for (int i = 0; i < static_cast<int>(scheduler.timesteps().size()); ++i) {
    const Tensor& x = path.back();
    const Tensor output = stand_in(scheduler.scale_model_input(x, i), scheduler.timesteps()[static_cast<std::size_t>(i)]);
    path.push_back(scheduler.step(output, i, x, source, options));
  }
  return path;
}

}  // namespace impasto::test
