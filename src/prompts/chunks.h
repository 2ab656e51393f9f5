// A prompt of any length as what the text encoder reads at once.
#pragma once

#include <cstdint>
#include <vector>

#include "prompts/new_words.h"
#include "prompts/weighted_text.h"

namespace impasto {

/// Start, up to 75 tokens, end, padding: max_length of them, each with its weight.
struct Chunk {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;
};

/// Far beyond any prompt; bounds the memory that a prompt can ask for.
inline constexpr std::size_t kMostChunks = 32;

/// A1111's rule: chunks are filled one token after the other. Where a chunk ends and a comma lies no more than 20 tokens back, what follows the
/// comma moves on into the next. A new word stays whole. At least one chunk. Throws invalid_argument beyond kMostChunks.
std::vector<Chunk> a1111_chunks(const PromptTokenizer& tokenizer, const std::vector<WeightedText>& parts);

/// ComfyUI's rule: a part of fewer than 8 tokens stays in one piece and goes into the next chunk if it does not fit; others are cut where the
/// chunk is full. New words are parts of their own. Throws as a1111_chunks().
std::vector<Chunk> comfyui_chunks(const PromptTokenizer& tokenizer, const std::vector<WeightedText>& parts);

}  // namespace impasto
