// The header of a safetensors file: one JSON object that says what each range of bytes is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/shape.h"

namespace impasto {

/// The element types that safetensors 0.8 can hold; only some of them are ours to compute with.
struct StoredType {
  const char* name;
  int bits;
  std::optional<DType> dtype;  ///< empty: may exist in a file, but cannot be asked for
};

struct StoredTensor {
  std::string name;
  const StoredType* type = nullptr;
  int rank = 0;
  Shape shape;                       ///< meaningful when rank <= Shape::kMaxRank
  std::uint64_t begin = 0, end = 0;  ///< bytes after the header
};

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr std::size_t kMaxTensors = 1'000'000;
inline constexpr std::size_t kMaxMetadataBytes = 64 << 10;  // of one text that is kept

/// Tensors sorted by name, from the header's JSON; `data_bytes` is what follows it in the file. `where` names the file in messages.
/// `metadata`, where it is asked for, gets the texts of __metadata__ that are not longer than kMaxMetadataBytes.
///
/// Accepts what the safetensors library 0.8 accepts, but refuses besides, because readers disagree about it or nobody writes it: a name or
/// metadata key that stands twice, a record written as an array, a dtype written as an object, a dimension beyond 2^63 - 1, more than
/// 1 million tensors, unknown fields nested deeper than 32. Throws bad_file.
std::vector<StoredTensor> parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& where,
                                                   std::map<std::string, std::string>* metadata = nullptr);

}  // namespace impasto
