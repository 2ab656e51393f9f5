#include "weights/widened.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

template <typename Stored, typename Widen>
void widen_all(const std::vector<std::byte>& bytes, std::vector<float>& values, const Widen& widen) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
    values[i] = widen(stored);
  }
}

}  // namespace

std::vector<float> widened(const WeightReader& reader, std::string_view name) {
  const std::optional<TensorInfo> info = reader.describe(name);
  if (!info) fail(ErrorKind::not_found, reader.where(), ": has no tensor ", in_quotes(name));
  if (!is_floating_point(info->dtype))
    fail(ErrorKind::unsupported, reader.where(), ": tensor ", in_quotes(name), " is ", to_string(info->dtype),
         ", where floating-point numbers should be");
  std::vector<std::byte> bytes(info->bytes());
  reader.read(name, bytes.data());
  std::vector<float> values(static_cast<std::size_t>(info->shape.count()));
  switch (info->dtype) {
    case DType::float16: widen_all<std::uint16_t>(bytes, values, float16_to_float32); break;
    case DType::bfloat16: widen_all<std::uint16_t>(bytes, values, bfloat16_to_float32); break;
    case DType::float64: widen_all<double>(bytes, values, [](double x) { return static_cast<float>(x); }); break;
    default: widen_all<float>(bytes, values, [](float x) { return x; });
  }
  return values;
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace impasto
