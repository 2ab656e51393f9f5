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
#include "weights/byte_source.h"

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
inline constexpr std::size_t kMaxTensors = 100'000, kMaxMetadataEntries = 100'000;
inline constexpr std::size_t kMaxTextBytes = 8 << 20;  // of names, keys and texts that are kept, together
inline constexpr int kMaxStoredRank = 64;

/// Tensors sorted by name, from the header's JSON, bytes [begin, end) of `source`; `data_bytes` is what follows it in the file. `metadata`, where
/// it is asked for, gets the texts of __metadata__ that are kept (is_kept_metadata).
///
/// Accepts what the safetensors library 0.8 accepts, but refuses besides, because readers disagree about it or nobody writes it: a name or
/// metadata key that stands twice, a record written as an array, a dtype written as an object, a dimension beyond 2^63 - 1, more than 64
/// dimensions, more tensors or metadata than the limits above, one text longer than 8 MiB, unknown fields nested deeper than 32 or with more than
/// 100 000 values. Throws bad_file.
std::vector<StoredTensor> parse_safetensors_header(const ByteSource& source, std::uint64_t begin, std::uint64_t end, std::uint64_t data_bytes,
                                                   std::map<std::string, std::string>* metadata);
/// The same of a text; `where` names the source in messages.
std::vector<StoredTensor> parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& where);

}  // namespace impasto
