// What the UNet says at one noise level: each image led by its own texts, with guidance and the shortcuts that a caller may allow.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pipelines/conditioned_unet.h"
#include "pipelines/controllers.h"
#include "pipelines/picture_prompts.h"
#include "pipelines/prompts.h"

namespace impasto {

/// For models that edit a picture: what they see without it, and how closely to keep to it (Brooks et al., 2023).
struct PictureGuidance {
  Tensor without;  ///< the sample with zeros in the picture's place
  float scale = 1;
};

/// Images whose texts are equally long are evaluated together; a prompt and a negative prompt of different lengths one after the other, so that
/// neither has to be padded and an image hangs on its own texts alone. Where a text changes, or guidance begins or ends, everything that is kept from
/// step to step begins anew.
class GuidedUNet {
 public:
  /// One entry of `texts` for each image. Reads guidance_* (guidance_scale has to be set), deep_cache_interval, token_merging_ratio and
  /// num_inference_steps.
  GuidedUNet(std::shared_ptr<const UNet> unet, std::vector<ImageTexts> texts, const TextToImageOptions& options,
             std::vector<Controller> controllers = {}, std::vector<PicturePrompt> pictures = {});

  /// sample [n, h, w, in_channels] at step `step` of `num_steps` to the prediction [n, h, w, out_channels]. Steps come in order; texts take their
  /// turns by the number of calls, each being as large a part of num_inference_steps as it is of num_steps.
  Tensor predict(const Tensor& sample, double timestep, int step, int num_steps, const PictureGuidance* picture = nullptr);

 private:
  struct Group {
    std::vector<std::int64_t> images;
    ConditionedUNet prompt;  // [m, ...]
    // With guidance one of them: m negative prompts alone, or followed by the m prompts. For a model that edits always the first.
    std::optional<ConditionedUNet> negative, both;
  };

  struct Turn {
    std::uint32_t prompt, negative;  // which of the contexts
    bool operator==(const Turn&) const = default;
  };

  const UNetContext& prompt_of(std::size_t image) const { return texts_[image].prompt->contexts[turns_[image].prompt]; }
  const UNetContext& negative_of(std::size_t image) const { return texts_[image].negative_prompt->contexts[turns_[image].negative]; }
  void take_turns(int num_steps);
  Group make_group(std::vector<std::int64_t> images) const;
  std::vector<Group> make_groups() const;
  /// The last `prompts` images are led by prompts, those before by negative prompts, which ControlNets in guess mode do not see. Pictures lead the
  /// UNet alone.
  Conditionings condition(const UNetContext& context, std::int64_t prompts) const;
  Conditionings second_half(const Conditionings& both) const;
  /// Of the ControlNets; they count from the first step that is run.
  std::vector<ControlAtStep> controls_at(int step, int num_steps) const;
  /// What a step asks of each group.
  struct Asked {
    double timestep;
    bool guided;
    bool renew;  ///< of the deep cache
    std::vector<ControlAtStep> controls;
  };
  Tensor predict(Group& group, const Tensor& sample, const Asked& asked, const PictureGuidance* picture) const;
  bool guided(int step, int num_steps) const;

  std::shared_ptr<const UNet> unet_;
  std::vector<ImageTexts> texts_;
  float scale_, rescale_, start_, stop_;
  std::vector<float> told_;  // the guidance scale, to models that are told it instead of being guided
  Shortcuts shortcuts_;
  int num_inference_steps_;
  std::vector<Controller> controllers_;
  std::vector<PicturePrompt> pictures_;
  std::int64_t calls_ = 0;
  bool guided_ = false;  // at the last step
  int first_step_ = 0;
  std::vector<Turn> turns_;  // of each image
  std::vector<Group> groups_;
};

}  // namespace impasto
