#include "pipelines/guided_unet.h"

#include <utility>

#include "pipelines/guidance.h"

namespace impasto {
namespace {

/// The second half of the images.
UNet::Conditioning second_half(const UNet::Conditioning& both) {
  UNet::Conditioning half;
  for (const nn::KeyValue& kv : both) {
    const std::int64_t n = kv.key.dim(0) / 2;
    half.push_back({kv.key.slice(n, n), kv.value.slice(n, n)});
  }
  return half;
}

}  // namespace

GuidedUNet::GuidedUNet(std::shared_ptr<const UNet> unet, const Tensor& context, const TextToImageOptions& options)
    : unet_(std::move(unet)),
      both_(unet_->condition(context)),
      prompt_(options.guidance_scale > 1 ? second_half(both_) : both_),
      scale_(options.guidance_scale),
      rescale_(options.guidance_rescale),
      start_(options.guidance_start),
      stop_(options.guidance_stop),
      interval_(options.deep_cache_interval) {}

bool GuidedUNet::guided(int step, int num_steps) const {
  const auto at = [&](float share) { return static_cast<int>(static_cast<double>(share) * num_steps); };
  return scale_ > 1 && at(start_) <= step && step < at(stop_);
}

Tensor GuidedUNet::evaluate(const Tensor& sample, double timestep, const UNet::Conditioning& conditioning) {
  if (interval_ == 1) return unet_->forward(sample, timestep, conditioning);
  const bool usable = shallow_left_ > 0 && deep_.dim(0) == conditioning.front().key.dim(0);  // not where guidance begins or ends
  if (usable) {
    --shallow_left_;
    return unet_->forward_shallow(sample, timestep, conditioning, deep_);
  }
  shallow_left_ = interval_ - 1;
  return unet_->forward(sample, timestep, conditioning, {}, &deep_);
}

Tensor GuidedUNet::predict(const Tensor& sample, double timestep, int step, int num_steps) {
  if (!guided(step, num_steps)) return evaluate(sample, timestep, prompt_);
  return guide(evaluate(sample, timestep, both_), scale_, rescale_);
}

}  // namespace impasto
