// What the UNet says at one noise level: with guidance, and with the shortcuts that a caller may allow.
#pragma once

#include <memory>

#include "models/unet.h"
#include "pipelines/options.h"

namespace impasto {

class GuidedUNet {
 public:
  /// context [2n, 77, c], the negative half first, or [n, 77, c] without guidance. Reads guidance_* and deep_cache_interval.
  GuidedUNet(std::shared_ptr<const UNet> unet, const Tensor& context, const TextToImageOptions& options);

  /// sample [n, h, w, in_channels] at step `step` of `num_steps` to the prediction [n, h, w, out_channels]. Steps come in order.
  Tensor predict(const Tensor& sample, double timestep, int step, int num_steps);

 private:
  Tensor evaluate(const Tensor& sample, double timestep, const UNet::Conditioning& conditioning);
  bool guided(int step, int num_steps) const;

  std::shared_ptr<const UNet> unet_;
  UNet::Conditioning both_, prompt_;  // without guidance: the same
  float scale_, rescale_, start_, stop_;
  int interval_;
  Tensor deep_;           // of the last whole evaluation
  int shallow_left_ = 0;  // evaluations that may still use it
};

}  // namespace impasto
