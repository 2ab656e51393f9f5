// From the prompts of a call to what the UNet is led by.
#pragma once

#include <string>
#include <vector>

#include "impasto/pipeline.h"
#include "ops/tensor.h"
#include "pipelines/networks.h"

namespace impasto {

/// [2n, 77, c], n times the negative prompt before n times the prompt, or [n, 77, c] without guidance. clip_skip is for the prompt alone, as
/// in diffusers.
Tensor encode_prompts(const Networks& networks, const TextToImageOptions& options, std::vector<std::string>& warnings);

}  // namespace impasto
