// What becomes of pictures that the safety checker flags.
#pragma once

#include <cstdint>
#include <vector>

#include "impasto/pipeline.h"
#include "pipelines/networks.h"

namespace impasto {

/// Throws invalid_argument where the model has no safety checker, saying how to come by one.
void require_safety_checker(const Checkpoint& checkpoint);

/// The result, its pictures looked at and treated as the policy says. Without pictures there is nothing to look at. Throws cancelled, and what
/// building the checker throws.
TextToImageResult made_safe(const Networks& networks, SafetyPolicy policy, TextToImageResult result);

/// A picture as CLIP wants it, [3, side, side]: its shorter side brought to `side` by Pillow's bicubic filter, the middle cut out, 0..255 to 0..1,
/// and each colour's mean and deviation over CLIP's training set taken out (transformers' CLIPImageProcessor).
std::vector<float> clip_pixels(const Image& image, std::int64_t side);

}  // namespace impasto
