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

bool ConditionedUNet::add_controls(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, bool shallow,
                                   UNet::Control& sum) const {
  for (std::size_t k = 0; k < controls.size(); ++k) {
    const UNet::Conditioning& texts = conditionings_.control_nets[k];
    const ControlAtStep& control = controls[k];
    if (control.scale == 0 || texts.empty()) continue;
    // Models that inpaint or edit see more than the latents, which is all that a ControlNet sees.
    const std::int64_t channels = control.net->config().unet.in_channels;
    const Tensor latents = sample.dim(3) == channels ? sample : copied_columns(sample, 0, channels);
    UNet::Control more = shallow ? control.net->forward_shallow(latents, timestep, texts, *control.hint, control.scale, control.guess_mode)
                                 : control.net->forward(latents, timestep, texts, *control.hint, control.scale, control.guess_mode);
    const std::int64_t images = conditionings_.unet.images();
    for (Tensor& skip : more.skips) skip = behind_zeros(skip, images);
    if (more.mid) more.mid = behind_zeros(more.mid, images);
    if (sum.skips.empty()) {
      sum = std::move(more);
      continue;
    }
    for (std::size_t i = 0; i < sum.skips.size(); ++i) ops::add_into(sum.skips[i], more.skips[i]);
    if (sum.mid) ops::add_into(sum.mid, more.mid);
  }
  return !sum.skips.empty();
}

Tensor ConditionedUNet::predict(const Tensor& sample, double timestep, const std::vector<ControlAtStep>& controls, bool renew) {
  const float merging = shortcuts_.token_merging_ratio;
  const bool cached = shortcuts_.deep_cache_interval > 1, shallow = cached && deep_ && !renew;
  UNet::Control sum;
  const UNet::Control* control = add_controls(sample, timestep, controls, shallow, sum) ? &sum : nullptr;
  if (shallow) return unet_->forward_shallow(sample, timestep, conditionings_.unet, deep_, merging, control);
  return unet_->forward(sample, timestep, conditionings_.unet,
                        {.deep = cached ? &deep_ : nullptr, .control = control, .token_merging_ratio = merging});
}

}  // namespace impasto
