// From the prompts of a call to what the UNet is led by.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "impasto/pipeline.h"
#include "models/unet.h"
#include "pipelines/networks.h"

namespace impasto {

/// A prompt as the UNet is led by it: one context, or several that take turns.
struct EncodedPrompt {
  std::vector<UNetContext> contexts;  ///< each of one image; tokens may differ
  std::vector<std::uint32_t> turns;   ///< the context of each step; empty where there is but one

  std::uint32_t turn(int step) const { return turns.empty() ? 0 : turns[static_cast<std::size_t>(step)]; }
};

/// What one image is led by.
struct ImageTexts {
  std::shared_ptr<const EncodedPrompt> prompt;
  std::shared_ptr<const EncodedPrompt> negative_prompt;  ///< null without guidance
};

/// One entry for each image. Throws invalid_argument for prompts that cannot be read.
std::vector<ImageTexts> encode_prompts(const Networks& networks, const TextToImageOptions& options, std::vector<std::string>& warnings);

}  // namespace impasto
