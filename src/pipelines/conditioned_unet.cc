#include "pipelines/conditioned_unet.h"

#include "ops/ops.h"
#include "pipelines/columns.h"

namespace impasto {
namespace {

/// Zeros for the images before those of `x`, so that there are `images`.
Tensor behind_zeros(const Tensor& x, std::int64_t images) {
  if (x.dim(0) == images) return x;
  const Tensor zeros = ops::tile_images(ops::combine({{0, x.slice(0, 1)}}), images - x.dim(0));
  return ops::concat_images(zeros, x);
}

}  // namespace

bool ConditionedUNet::add_controls(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, UNet::Control& sum) const {
  for (std::size_t k = 0; k < controls.size(); ++k) {
    const UNet::Conditioning& texts = conditionings_.control_nets[k];
    const ControlAtStep& control = controls[k];
    if (control.scale == 0 || texts.empty()) continue;
    // Models that inpaint or edit see more than the latents, which is all that a ControlNet sees.
    const std::int64_t channels = control.net->config().unet.in_channels;
    const Tensor latents = sample.dim(3) == channels ? sample : copied_columns(sample, 0, channels);
    UNet::Control more = control.net->forward(latents, timestep, texts, *control.hint, control.scale, control.guess_mode);
    const std::int64_t images = conditionings_.unet.images();
    for (Tensor& skip : more.skips) skip = behind_zeros(skip, images);
    more.mid = behind_zeros(more.mid, images);
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
