// ggml's quantised types: rows of blocks, each a few small integers with a scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace impasto {

/// 32 or 256 elements in a fixed number of bytes.
struct BlockFormat {
  const char* name;  ///< "Q8_0"
  std::size_t elements, bytes;
  void (*decode)(const std::uint8_t* block, float* elements);
};

/// By ggml's number of the type; null for one that is not known here.
const BlockFormat* block_format(std::uint32_t type);

/// Writers' side: Q8_0 and Q4_0, rounded as ggml's reference does. `elements` are a whole number of blocks of 32.
void encode_q8_0(std::span<const float> elements, std::uint8_t* blocks);
void encode_q4_0(std::span<const float> elements, std::uint8_t* blocks);

}  // namespace impasto
