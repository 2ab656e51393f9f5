// Prompts that are embeddings already: --prompt-embeds.
#pragma once

#include <string>

#include "cli/plan.h"

namespace impasto::cli {

/// Sets the options' embeddings to the file's. `pictures`: how many are drawn; the file is to have one prompt for all or one for each. Throws
/// as read_prompt_embeddings, and invalid_argument.
void take_prompt_embeds(const std::string& file, std::size_t pictures, TextToImageOptions& options);

/// Leaves a batch's pictures their own embeddings.
void keep_prompt_embeds_of(const Batch& batch, TextToImageOptions& options);

}  // namespace impasto::cli
