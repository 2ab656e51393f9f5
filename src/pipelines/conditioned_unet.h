// The UNet, and the ControlNets that lead it, under texts that stay the same for some steps.
#pragma once

#include <cstdint>
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

/// What may be given up for speed.
struct Shortcuts {
  int deep_cache_interval = 1;
  float token_merging_ratio = 0;

  /// Whether the whole UNet runs at a step of a walk, counted from its first: at every interval-th, as DeepCache's authors do ("uniform").
  bool renews_at(std::int64_t step) const { return step % deep_cache_interval == 0; }
};

/// With a deep cache it runs whole at some steps only, its outermost layers alone in between (DeepCache, Ma et al., 2024).
class ConditionedUNet {
 public:
  ConditionedUNet(std::shared_ptr<const UNet> unet, Conditionings conditionings, const Shortcuts& shortcuts)
      : unet_(std::move(unet)), conditionings_(std::move(conditionings)), shortcuts_(shortcuts) {}

  /// sample [n, h, w, in_channels] to [m, h, w, out_channels], as UNet::forward(). `controls`: one for each ControlNet. `renew`: whole, whatever is
  /// kept from earlier calls; without a deep cache every call is.
  Tensor predict(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, bool renew);

 private:
  /// Sums up in `sum`, all of it or what UNet::forward_shallow() looks at; returns whether there is anything to add.
  bool add_controls(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, bool shallow, UNet::Control& sum) const;

  std::shared_ptr<const UNet> unet_;
  Conditionings conditionings_;
  Shortcuts shortcuts_;
  Tensor deep_;  // of the last whole evaluation
};

}  // namespace impasto
