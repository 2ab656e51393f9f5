// IP-Adapters in a call: what each shows the UNet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "impasto/pipeline.h"
#include "models/ip_adapter.h"
#include "models/unet.h"

namespace impasto {

struct Networks;

/// What an IP-Adapter adds to each cross-attention of the UNet, [1, tokens, c].
struct PicturePrompt {
  std::vector<nn::PictureKeyValue> prompt;
  std::vector<nn::PictureKeyValue> negative_prompt;  ///< empty without guidance
};

/// Puts them beside the texts of a conditioning, whose last `prompts` images are led by prompts, those before by negative prompts.
void add_picture_prompts(const std::vector<PicturePrompt>& pictures, std::int64_t prompts, UNet::Conditioning& conditioning);

/// One for each of the options' pictures that counts. REQUIRES: checked options. Throws invalid_argument when there are not as many as IP-Adapters,
/// for embeddings that do not fit, and where there is no image encoder to look at pictures.
std::vector<PicturePrompt> picture_prompts_for(const Networks& networks, const TextToImageOptions& options);

/// Throws invalid_argument for those out of range.
void check_picture_prompts(const TextToImageOptions& options);

}  // namespace impasto
