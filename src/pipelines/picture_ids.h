// The numbers by which some models are told what picture is wanted (Podell et al., 2023): "time ids" to diffusers.
#pragma once

#include <cstdint>
#include <vector>

#include "impasto/pipeline.h"

namespace impasto {

/// As many as SDXL's base model takes: the original size, the crop and the target size.
inline constexpr std::int64_t kSizeIds = 6;
/// As its refiner does: the original size, the crop and an aesthetic score.
inline constexpr std::int64_t kScoreIds = 5;

/// For the prompt's side of guidance, and for the negative prompt's.
struct PictureIds {
  std::vector<float> prompt, negative_prompt;  ///< `count` numbers
};

/// REQUIRES: checked options, and a count of 0, kSizeIds or kScoreIds.
PictureIds picture_ids(const TextToImageOptions& options, std::int64_t count);

/// Throws invalid_argument for sizes, crops and scores out of range.
void check_micro_conditions(const TextToImageOptions& options);

}  // namespace impasto
