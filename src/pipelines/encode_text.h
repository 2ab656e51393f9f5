// From one text to the context that the UNet is led by.
#pragma once

#include <span>
#include <string>

#include "impasto/pipeline.h"
#include "models/clip_text.h"
#include "ops/tensor.h"
#include "prompts/new_words.h"

namespace impasto {

/// A text as the UNet sees it.
struct EncodedText {
  Tensor context;   ///< [1, tokens, c]; tokens is 77 times the number of chunks
  Tensor pooled;    ///< what its first chunk comes to as a whole, [1, c]; empty where no text encoder says it
  std::string cut;  ///< plain: the part of the text that did not fit
};

/// What reads texts: embeddings' words are in the tokenizer, their vectors [k, c] beside the text encoder.
struct TextReader {
  const PromptTokenizer& tokenizer;
  const ClipText& encoder;
  std::span<const float> new_vectors = {};
};

/// How texts are read.
struct TextReading {
  PromptSyntax syntax = PromptSyntax::plain;
  int clip_skip = 0;         ///< layers of the text encoders that are left out at the end
  bool penultimate = false;  ///< from before the layer that is then the last, without the final norm
};

/// Encodes a text, or one for each reader, whose states stand beside each other: the context's columns are those of all. Fewer chunks than another
/// reader has are made up for by empty ones.
/// - plain: one window of 77 tokens, as diffusers.
/// - a1111: each chunk's hidden states are multiplied by their tokens' weights, then all of the chunk by one number that restores its mean
///   ("Original" among A1111's emphasis modes).
/// - comfyui: each hidden state is moved away from the empty prompt's at its place, or towards it: empty + weight * (state - empty).
/// Throws invalid_argument for what is no text and for a text that is too long.
EncodedText encode_text(std::span<const TextReader> readers, std::span<const std::string> texts, const TextReading& how);
inline EncodedText encode_text(const TextReader& reader, const std::string& text, PromptSyntax syntax, int clip_skip) {
  return encode_text({&reader, 1}, {&text, 1}, {.syntax = syntax, .clip_skip = clip_skip});
}

}  // namespace impasto
