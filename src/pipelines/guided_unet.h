// What the UNet says at one noise level: each image led by its own texts, with guidance and the shortcuts that a caller may allow.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "pipelines/conditioned_unet.h"
#include "pipelines/prompts.h"

namespace impasto {

/// Images whose texts are equally long are evaluated together; a prompt and a negative prompt of different lengths one after the other, so that
/// neither has to be padded and an image hangs on its own texts alone.
class GuidedUNet {
 public:
  /// One entry of `texts` for each image. Reads guidance_*, deep_cache_interval and num_inference_steps.
  GuidedUNet(std::shared_ptr<const UNet> unet, std::vector<ImageTexts> texts, const TextToImageOptions& options);

  /// sample [n, h, w, in_channels] at step `step` of `num_steps` to the prediction [n, h, w, out_channels]. Steps come in order.
  Tensor predict(const Tensor& sample, double timestep, int step, int num_steps);

 private:
  struct Group {
    std::vector<std::int64_t> images;
    ConditionedUNet prompt;                         // [m, ...]
    std::optional<ConditionedUNet> negative, both;  // with guidance one of them: m negative prompts alone, or followed by the m prompts
  };

  Group make_group(std::vector<std::int64_t> images) const;
  std::vector<Group> make_groups() const;
  Tensor predict(Group& group, const Tensor& sample, double timestep, bool guided) const;
  bool guided(int step, int num_steps) const;

  std::shared_ptr<const UNet> unet_;
  std::vector<ImageTexts> texts_;
  float scale_, rescale_, start_, stop_;
  int interval_;
  std::vector<Group> groups_;
};

}  // namespace impasto
