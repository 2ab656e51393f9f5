// Low-rank adapters (LoRA): small files that teach a checkpoint a style or a subject.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "impasto/api.h"

namespace impasto {

/// A file to merge into a pipeline's weights, for Pipeline::with_loras.
struct Lora {
  /// A file (safetensors, or torch.save's), or what find_adapter() finds in a folder or in the cache under a name on the Hub: kohya-ss's, LyCORIS's,
  /// PEFT's or diffusers' names; LoRA, LoCon, LoHa, LoKr, whole differences, DoRA.
  std::string path;
  float scale = 1.f;  ///< how much of it; 0 is none, below 0 leads away
  /// For the text encoder, where that shall be another.
  std::optional<float> text_encoder_scale = {};
  /// For the second text encoder of SDXL, where that shall be another than the first one's.
  std::optional<float> text_encoder_2_scale = {};
};

/// "<lora:name:0.8>" in a prompt, as A1111 writes it; "<lora:name:0.8:0.5>" has a scale for the text encoder and one for the UNet.
struct LoraTag {
  std::string name;
  float scale = 1.f;
  std::optional<float> text_encoder_scale = {};
};

struct TaggedPrompt {
  std::string prompt;  ///< without the tags
  std::vector<LoraTag> loras;
};

/// Takes the tags out of a prompt. Throws invalid_argument for a tag whose scale is no finite number.
IMPASTO_API TaggedPrompt take_lora_tags(const std::string& prompt);

/// The file that a tag names: NAME.safetensors (or .pt, .ckpt) in `folder` or one of its subfolders, or the file whose stem that is without regard to
/// case. Throws not_found telling what there is, invalid_argument when several files or a path outside are named.
IMPASTO_API std::string find_lora(const std::string& folder, const std::string& name);

}  // namespace impasto
