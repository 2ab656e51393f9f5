// Files of what text encoders made of prompts.
#pragma once

#include <optional>
#include <string>

#include "impasto/api.h"
#include "impasto/pipeline.h"

namespace impasto {

/// The fields of TextToImageOptions that have these names; shapes as there.
struct PromptEmbeddings {
  HostTensor prompt_embeds;                                                       ///< [n, tokens, c]
  std::optional<HostTensor> negative_prompt_embeds;                               ///< [n, tokens, c]
  std::optional<HostTensor> pooled_prompt_embeds, negative_pooled_prompt_embeds;  ///< [n, c], of SDXL
};

/// Reads a .safetensors, .pt or .bin file whose tensors have the names of those fields, in float32, float16 or bfloat16; prompt_embeds must be there,
/// and no other. Whether they suit a model is for the call that draws to say. Throws not_found, io, and bad_file naming the tensor that is missing,
/// of another name, type or number of dimensions, empty, or holds NaN or infinity.
IMPASTO_API PromptEmbeddings read_prompt_embeddings(const std::string& path);

}  // namespace impasto
