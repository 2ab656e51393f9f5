// The UNet under texts that stay the same for some steps.
#pragma once

#include <memory>

#include "models/unet.h"

namespace impasto {

/// With interval > 1 it runs whole at every interval-th step only, its outermost layers alone in between (DeepCache, Ma et al., 2024).
class ConditionedUNet {
 public:
  ConditionedUNet(std::shared_ptr<const UNet> unet, UNet::Conditioning conditioning, int interval)
      : unet_(std::move(unet)), conditioning_(std::move(conditioning)), interval_(interval) {}

  /// sample [n, h, w, in_channels] to [m, h, w, out_channels], as UNet::forward().
  Tensor predict(const Tensor& sample, double timestep) {
    if (interval_ == 1) return unet_->forward(sample, timestep, conditioning_);
    if (shallow_left_ > 0) {
      --shallow_left_;
      return unet_->forward_shallow(sample, timestep, conditioning_, deep_);
    }
    shallow_left_ = interval_ - 1;
    return unet_->forward(sample, timestep, conditioning_, {}, &deep_);
  }

 private:
  std::shared_ptr<const UNet> unet_;
  UNet::Conditioning conditioning_;
  int interval_;
  Tensor deep_;           // of the last whole evaluation
  int shallow_left_ = 0;  // evaluations that may still use it
};

}  // namespace impasto
