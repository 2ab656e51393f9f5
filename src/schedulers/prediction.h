// What the network predicts, and what a scheduler makes of it.
#pragma once

#include "core/json.h"
#include "ops/tensor.h"
#include "schedulers/noise_schedule.h"

namespace impasto {

enum class PredictionType {
  epsilon,       ///< the noise
  v_prediction,  ///< alpha * noise - sigma * clean (Salimans and Ho, 2022)
  sample,        ///< the clean sample
};

/// Reads prediction_type; epsilon when missing. Throws unsupported.
PredictionType read_prediction_type(const JsonObject& config);

/// The clean sample, from the network's output on `sample` at `level`.
Tensor predict_clean(PredictionType type, const NoiseLevel& level, const Tensor& output, const Tensor& sample);

/// The noise, likewise.
Tensor predict_noise(PredictionType type, const NoiseLevel& level, const Tensor& output, const Tensor& sample);

/// What keeps a predicted clean sample in range. Nothing, unless the config asks for it.
class CleanLimits {
 public:
  /// Reads clip_sample and clip_sample_range.
  static CleanLimits clipping(const JsonObject& config, bool clip_by_default);
  /// Reads thresholding, dynamic_thresholding_ratio and sample_max_value (Saharia et al., 2022, section 2.3).
  static CleanLimits thresholding(const JsonObject& config);
  /// Both; thresholding wins.
  static CleanLimits any(const JsonObject& config, bool clip_by_default);

  Tensor apply(const Tensor& clean) const;
  explicit operator bool() const { return clip_ || threshold_; }

 private:
  bool clip_ = false, threshold_ = false;
  double clip_range_ = 1, ratio_ = 0.995, max_value_ = 1;
};

}  // namespace impasto
