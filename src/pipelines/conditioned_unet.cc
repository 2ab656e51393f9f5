#include "pipelines/conditioned_unet.h"

#include "ops/ops.h"

namespace impasto {

bool ConditionedUNet::add_controls(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, UNet::Control& sum) const {
  for (std::size_t k = 0; k < controls.size(); ++k) {
    if (controls[k].scale == 0) continue;
    UNet::Control more = controls[k].net->forward(sample, timestep, conditionings_.control_nets[k], *controls[k].hint, controls[k].scale);
    if (!sum.mid) {
      sum = std::move(more);
      continue;
    }
    for (std::size_t i = 0; i < sum.skips.size(); ++i) ops::add_into(sum.skips[i], more.skips[i]);
    ops::add_into(sum.mid, more.mid);
  }
  return static_cast<bool>(sum.mid);
}

Tensor ConditionedUNet::predict(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls) {
  const float merging = shortcuts_.token_merging_ratio;
  if (shortcuts_.deep_cache_interval == 1) {
    UNet::Control sum;
    const bool controlled = add_controls(sample, timestep, controls, sum);
    return unet_->forward(sample, timestep, conditionings_.unet, {.control = controlled ? &sum : nullptr, .token_merging_ratio = merging});
  }
  if (shallow_left_ > 0) {
    --shallow_left_;
    return unet_->forward_shallow(sample, timestep, conditionings_.unet, deep_, merging);
  }
  shallow_left_ = shortcuts_.deep_cache_interval - 1;
  return unet_->forward(sample, timestep, conditionings_.unet, {.deep = &deep_, .token_merging_ratio = merging});
}

}  // namespace impasto
