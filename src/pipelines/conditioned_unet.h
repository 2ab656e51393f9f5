// The UNet, and the ControlNets that lead it, under texts that stay the same for some steps.
#pragma once

#include <memory>
#include <vector>

#include "models/control_net.h"
#include "models/unet.h"

namespace impasto {

/// What the same texts contribute to each network.
struct Conditionings {
  UNet::Conditioning unet;
  std::vector<UNet::Conditioning> control_nets;  ///< of fewer images: the last ones, and nothing is added to the others; empty: to none
};

/// A ControlNet at one step.
struct ControlAtStep {
  const ControlNet* net;
  const Tensor* hint;
  float scale;
  bool guess_mode;
};

/// With interval > 1 it runs whole at every interval-th step only, its outermost layers alone in between (DeepCache, Ma et al., 2024).
class ConditionedUNet {
 public:
  ConditionedUNet(std::shared_ptr<const UNet> unet, Conditionings conditionings, int interval)
      : unet_(std::move(unet)), conditionings_(std::move(conditionings)), interval_(interval) {}

  /// sample [n, h, w, in_channels] to [m, h, w, out_channels], as UNet::forward(). `controls`: one for each ControlNet; none with interval > 1.
  Tensor predict(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls);

 private:
  /// Sums up in `sum`; returns whether there is anything to add.
  bool add_controls(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, UNet::Control& sum) const;

  std::shared_ptr<const UNet> unet_;
  Conditionings conditionings_;
  int interval_;
  Tensor deep_;           // of the last whole evaluation
  int shallow_left_ = 0;  // evaluations that may still use it
};

}  // namespace impasto
