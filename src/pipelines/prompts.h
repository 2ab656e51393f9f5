// From the prompts of a call to what the UNet is led by.
#pragma once

#include <string>
#include <vector>

#include "impasto/pipeline.h"
#include "ops/tensor.h"
#include "pipelines/networks.h"

namespace impasto {

/// What one image is led by.
struct ImageTexts {
  Tensor prompt;           ///< [1, tokens, c]
  Tensor negative_prompt;  ///< [1, tokens, c], as many tokens or another number; empty without guidance
};

/// One entry for each image.
std::vector<ImageTexts> encode_prompts(const Networks& networks, const TextToImageOptions& options, std::vector<std::string>& warnings);

}  // namespace impasto
