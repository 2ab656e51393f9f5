// Element types of stored and computed tensors, and the two 16-bit formats on the host.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace impasto {

enum class DType { float32, float16, bfloat16, float64, int64, int32, uint8 };

constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::float64:
    case DType::int64: return 8;
    case DType::float32:
    case DType::int32: return 4;
    case DType::float16:
    case DType::bfloat16: return 2;
    case DType::uint8: return 1;
  }
  return 0;
}

constexpr const char* to_string(DType type) {
  switch (type) {
    case DType::float32: return "float32";
    case DType::float16: return "float16";
    case DType::bfloat16: return "bfloat16";
    case DType::float64: return "float64";
    case DType::int64: return "int64";
    case DType::int32: return "int32";
    case DType::uint8: return "uint8";
  }
  return "?";
}

constexpr bool is_floating_point(DType type) {
  return type == DType::float32 || type == DType::float16 || type == DType::bfloat16 || type == DType::float64;
}

/// IEEE 754 binary16 to binary32, exact, subnormals and NaN included.
constexpr float float16_to_float32(std::uint16_t h) {
  const std::uint32_t sign = std::uint32_t{h & 0x8000u} << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1Fu;
  const std::uint32_t mantissa = h & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

/// The nearest, ties to even; what is too large becomes infinity, NaN stays NaN.
constexpr std::uint16_t float32_to_float16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u;
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // from 65520 on
  if (magnitude < 0x38800000u) {                        // below 2^-14: adding 0.5 leaves a count of 2^-24 in the last bits, rounded by the adder
    const float rounded = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(rounded) - std::bit_cast<std::uint32_t>(0.5f)));
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

/// The nearest, ties to even; NaN stays NaN.
constexpr std::uint16_t float32_to_bfloat16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float bfloat16_to_float32(std::uint16_t b) { return std::bit_cast<float>(std::uint32_t{b} << 16); }

}  // namespace impasto
