// What attention.cc hands to its kernels.
#pragma once

#include <cstdint>

namespace impasto {

constexpr std::int64_t kMostLanes = 16;     // of the widest target, in float32
constexpr std::int64_t kMostOutputs = 32;   // in a vector: of float16
constexpr std::int64_t kQueryVectors = 3;   // vectors of queries that a register tile holds
constexpr std::int64_t kKeyBlock = 256;     // keys whose scores exist at a time: x 3 vectors of 64 bytes = 48 KiB, well within L2
constexpr std::int64_t kMostQueries = 768;  // queries that share a packed block of keys: packing is then 2 % of the work

constexpr std::int64_t kMostTileRows = 8;  // rows of a register tile, most

/// What the two products multiply.
enum class Factors { float32, bfloat16, bfloat16_by_instructions, bfloat16_by_tiles, float16_by_instructions };

/// One head of one image; strides between tokens in elements.
struct AttentionHead {
  const float *q, *k, *v;  // [tq, d], [tk, d], [tk, d]
  float* out;              // [tq, d]
  std::int64_t q_stride, k_stride, v_stride, out_stride;
  std::int64_t tk, d;
  float scale;
  bool causal;
};

}  // namespace impasto
