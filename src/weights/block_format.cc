// Layouts as in ggml's ggml-common.h; formulas from the definition of each type. x is an element, q its integer, d the scale, m the offset.
#include "weights/block_format.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/dtype.h"

namespace impasto {
namespace {

constexpr std::size_t kSmall = 32, kLarge = 256;

float half(const std::uint8_t* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return float16_to_float32(bits);
}

int low(std::uint8_t byte) { return byte & 0xF; }
int high(std::uint8_t byte) { return byte >> 4; }

/// d, then two elements to a byte: number j and number j + 16. x = d (q - 8).
void decode_q4_0(const std::uint8_t* b, float* x) {
  const float d = half(b);
  for (std::size_t j = 0; j < 16; ++j) {
    x[j] = static_cast<float>(low(b[2 + j]) - 8) * d;
    x[j + 16] = static_cast<float>(high(b[2 + j]) - 8) * d;
  }
}

/// d, m, elements as above. x = d q + m.
void decode_q4_1(const std::uint8_t* b, float* x) {
  const float d = half(b), m = half(b + 2);
  for (std::size_t j = 0; j < 16; ++j) {
    x[j] = static_cast<float>(low(b[4 + j])) * d + m;
    x[j + 16] = static_cast<float>(high(b[4 + j])) * d + m;
  }
}

/// The fifth bits of 32 elements.
std::uint32_t fifth_bits(const std::uint8_t* at) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}
int fifth(std::uint32_t bits, std::size_t j) { return static_cast<int>((bits >> j & 1) << 4); }

/// d, fifth bits, the lower four as above. x = d (q - 16).
void decode_q5_0(const std::uint8_t* b, float* x) {
  const float d = half(b);
  const std::uint32_t bits = fifth_bits(b + 2);
  for (std::size_t j = 0; j < 16; ++j) {
    x[j] = static_cast<float>((low(b[6 + j]) | fifth(bits, j)) - 16) * d;
    x[j + 16] = static_cast<float>((high(b[6 + j]) | fifth(bits, j + 16)) - 16) * d;
  }
}

/// d, m, fifth bits, the lower four. x = d q + m.
void decode_q5_1(const std::uint8_t* b, float* x) {
  const float d = half(b), m = half(b + 2);
  const std::uint32_t bits = fifth_bits(b + 4);
  for (std::size_t j = 0; j < 16; ++j) {
    x[j] = static_cast<float>(low(b[8 + j]) | fifth(bits, j)) * d + m;
    x[j + 16] = static_cast<float>(high(b[8 + j]) | fifth(bits, j + 16)) * d + m;
  }
}

/// d, signed bytes. x = d q.
void decode_q8_0(const std::uint8_t* b, float* x) {
  const float d = half(b);
  for (std::size_t j = 0; j < kSmall; ++j) x[j] = static_cast<float>(static_cast<std::int8_t>(b[2 + j])) * d;
}

/// 16 scales (low four bits) and offsets (high), 2-bit elements, d, m. Within 128 elements, byte l holds number l of each of four rows of 32.
void decode_q2_k(const std::uint8_t* b, float* x) {
  const std::uint8_t *scales = b, *q = b + 16;
  const float d = half(b + 80), m = half(b + 82);
  for (std::size_t i = 0; i < kLarge; ++i) {
    const std::size_t part = i / 128, row = i % 128 / 32, l = i % 32;
    const std::uint8_t scale = scales[i / 16];
    x[i] = d * static_cast<float>(low(scale)) * static_cast<float>(q[32 * part + l] >> (2 * row) & 3) - m * static_cast<float>(high(scale));
  }
}

/// Third bits (a set one counts 4, x = d s (q - 4)), 2-bit elements as above, 16 scales of 6 bits less 32, d.
void decode_q3_k(const std::uint8_t* b, float* x) {
  const std::uint8_t *mask = b, *q = b + 32, *packed = b + 96;
  const float d = half(b + 108);
  for (std::size_t i = 0; i < kLarge; ++i) {
    const std::size_t part = i / 128, row = i % 128 / 32, l = i % 32, s = i / 16;
    const int bits = (s < 8 ? low(packed[s]) : high(packed[s - 8])) | (packed[8 + s % 4] >> (2 * (s / 4)) & 3) << 4;
    const int value = (q[32 * part + l] >> (2 * row) & 3) - ((mask[l] >> (4 * part + row) & 1) != 0 ? 0 : 4);
    x[i] = d * static_cast<float>(bits - 32) * static_cast<float>(value);
  }
}

/// Scale and offset of row j of 32, of 6 bits each, eight of both in 12 bytes.
struct ScaleOffset {
  int scale, offset;
};
ScaleOffset scale_offset(const std::uint8_t* p, std::size_t j) {
  if (j < 4) return {p[j] & 63, p[j + 4] & 63};
  return {low(p[j + 4]) | p[j - 4] >> 6 << 4, high(p[j + 4]) | p[j] >> 6 << 4};
}

/// d, m, scales and offsets, 4-bit elements: byte l of 32 holds number l of two rows. x = d s q - m o.
void decode_q4_k(const std::uint8_t* b, float* x) {
  const float d = half(b), m = half(b + 2);
  const std::uint8_t* q = b + 16;
  for (std::size_t row = 0; row < 8; ++row) {
    const auto [scale, offset] = scale_offset(b + 4, row);
    const float ds = d * static_cast<float>(scale), mo = m * static_cast<float>(offset);
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint8_t byte = q[32 * (row / 2) + l];
      x[32 * row + l] = ds * static_cast<float>(row % 2 == 0 ? low(byte) : high(byte)) - mo;
    }
  }
}

/// The same with fifth bits, of which byte l holds those of number l of all eight rows.
void decode_q5_k(const std::uint8_t* b, float* x) {
  const float d = half(b), m = half(b + 2);
  const std::uint8_t *fifths = b + 16, *q = b + 48;
  for (std::size_t row = 0; row < 8; ++row) {
    const auto [scale, offset] = scale_offset(b + 4, row);
    const float ds = d * static_cast<float>(scale), mo = m * static_cast<float>(offset);
    for (std::size_t l = 0; l < 32; ++l) {
      const std::uint8_t byte = q[32 * (row / 2) + l];
      x[32 * row + l] = ds * static_cast<float>((row % 2 == 0 ? low(byte) : high(byte)) | fifth(fifths[l], row)) - mo;
    }
  }
}

/// Four lower bits, two upper ones, 16 signed scales, d. Within 128 elements, rows 0 and 2 share bytes, as 1 and 3 do. x = d s (q - 32).
void decode_q6_k(const std::uint8_t* b, float* x) {
  const std::uint8_t *lower = b, *upper = b + 128, *scales = b + 192;
  const float d = half(b + 208);
  for (std::size_t i = 0; i < kLarge; ++i) {
    const std::size_t part = i / 128, row = i % 128 / 32, l = i % 32;
    const std::uint8_t byte = lower[64 * part + 32 * (row % 2) + l];
    const int q = (row < 2 ? low(byte) : high(byte)) | (upper[32 * part + l] >> (2 * row) & 3) << 4;
    x[i] = d * static_cast<float>(static_cast<std::int8_t>(scales[i / 16])) * static_cast<float>(q - 32);
  }
}

struct Numbered {
  std::uint32_t type;
  BlockFormat format;
};

constexpr Numbered kFormats[] = {
    {2, {"Q4_0", kSmall, 18, decode_q4_0}},   {3, {"Q4_1", kSmall, 20, decode_q4_1}},   {6, {"Q5_0", kSmall, 22, decode_q5_0}},
    {7, {"Q5_1", kSmall, 24, decode_q5_1}},   {8, {"Q8_0", kSmall, 34, decode_q8_0}},   {10, {"Q2_K", kLarge, 84, decode_q2_k}},
    {11, {"Q3_K", kLarge, 110, decode_q3_k}}, {12, {"Q4_K", kLarge, 144, decode_q4_k}}, {13, {"Q5_K", kLarge, 176, decode_q5_k}},
    {14, {"Q6_K", kLarge, 210, decode_q6_k}},
};

void put_half(float value, std::uint8_t* at) {
  const std::uint16_t bits = float32_to_float16(value);
  std::memcpy(at, &bits, sizeof bits);
}

}  // namespace

const BlockFormat* block_format(std::uint32_t type) {
  for (const Numbered& n : kFormats)
    if (n.type == type) return &n.format;
  return nullptr;
}

void encode_q8_0(std::span<const float> x, std::uint8_t* b) {
  for (std::size_t i = 0; i < x.size(); i += kSmall, b += 34) {
    float largest = 0;
    for (std::size_t j = 0; j < kSmall; ++j) largest = std::max(largest, std::fabs(x[i + j]));
    const float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    put_half(d, b);
    for (std::size_t j = 0; j < kSmall; ++j) b[2 + j] = static_cast<std::uint8_t>(static_cast<std::int8_t>(std::round(x[i + j] * inverse)));
  }
}

/// The largest of either sign becomes -8.
void encode_q4_0(std::span<const float> x, std::uint8_t* b) {
  const auto quantised = [](float value, float inverse) {
    return static_cast<int>(std::clamp(std::trunc(static_cast<double>(value) * static_cast<double>(inverse) + 8.5), 0.0, 15.0));
  };
  for (std::size_t i = 0; i < x.size(); i += kSmall, b += 18) {
    float largest = 0;
    for (std::size_t j = 0; j < kSmall; ++j)
      if (std::fabs(x[i + j]) > std::fabs(largest)) largest = x[i + j];
    const float d = largest / -8, inverse = d != 0 ? 1 / d : 0;
    put_half(d, b);
    for (std::size_t j = 0; j < 16; ++j) b[2 + j] = static_cast<std::uint8_t>(quantised(x[i + j], inverse) | quantised(x[i + j + 16], inverse) << 4);
  }
}

}  // namespace impasto
