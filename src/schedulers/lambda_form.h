// What the exponential integrators share: DPM-Solver (Lu et al., 2022, arXiv:2206.00927), UniPC and DEIS.
#pragma once

#include <string>
#include <vector>

#include "schedulers/prediction.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace impasto {

/// Samples have unit variance; solvers integrate over lambda = log(alpha / sigma); the network is called at whole timesteps.
class LambdaForm {
 public:
  /// Throws unsupported for flow-matching configs.
  LambdaForm(const JsonObject& config, ZeroSnr zero_snr, const SigmaSpread& spread, bool knows_spacing = true);

  /// The n levels before the last, which the solver appends. Only timesteps below `end` count (num_train() takes all). Timesteps of karras
  /// and lu levels are rounded unless `cut_timesteps`, those of exponential and beta levels are cut, as in diffusers.
  /// Throws invalid_argument for n out of range.
  SigmaPath path(int n, int end, bool cut_timesteps = false) const;
  SigmaPath path(int n) const { return path(n, num_train()); }

  int num_train() const { return timesteps_.num_train; }
  /// How many timesteps are left without those whose lambda is below `lambda_min`; at least 1.
  int timesteps_from(double lambda_min) const;
  const TrainingSigmas& training() const { return training_; }
  const SigmaSpread& spread() const { return spread_; }

  /// From the network's output on `sample`, after thresholding where the config asks for it.
  Tensor predict_clean(const Tensor& output, double sigma, const Tensor& sample) const;
  Tensor predict_noise(const Tensor& output, double sigma, const Tensor& sample) const;

 private:
  NoiseSchedule schedule_;
  TrainingSigmas training_;
  TimestepOptions timesteps_;
  PredictionType prediction_;
  SigmaSpread spread_;
  CleanLimits limits_;
};

/// Reads solver_order.
int read_solver_order(const JsonObject& config, int most);

/// Reads a field that takes one of `own` names. Names that other solvers use for the same field (`foreign`) stand for the first own one, as in
/// diffusers, so that configs can be handed from class to class. Throws unsupported.
std::string read_solver_name(const JsonObject& config, const char* key, const std::vector<std::string>& own, const std::vector<std::string>& foreign);

/// The largest order up to `order` that levels step, step - 1, ... can carry: they must differ (in 1000 of 1000 steps two may not).
int usable_order(const std::vector<double>& sigmas, int step, int order);

}  // namespace impasto
