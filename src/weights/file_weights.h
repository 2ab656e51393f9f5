// Tensors that lie in one file: what the formats have in common once their headers are read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "weights/block_format.h"
#include "weights/reader.h"

namespace impasto {

struct FileTensor {
  std::string name;
  std::string type;            ///< as the format calls it, for messages
  std::optional<DType> dtype;  ///< what it reads as; empty: it may be in a file, but cannot be asked for
  int rank = 0;
  Shape shape;                             ///< meaningful when rank <= Shape::kMaxRank
  std::uint64_t begin = 0, end = 0;        ///< its bytes in the file, checked to be in it
  const BlockFormat* blocks = nullptr;     ///< how its elements are packed, when they are: they read as float16
  std::vector<std::int64_t> strides = {};  ///< in elements, when they do not lie side by side in the shape's order: begin is the first one's
};

/// What a format's reader found out about a file.
struct FileContent {
  std::string format;
  std::string supported_types;  ///< for messages: "F32, F16, ..."
  std::vector<FileTensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Whether a text of metadata, of so many bytes, is kept: longer ones than 64 KiB (training notes) are passed over. Throws bad_file for one of ours
/// ("impasto."), without which a picture would be another. `where` names the file in messages.
bool is_kept_metadata(const std::string& where, std::string_view key, std::uint64_t bytes);

/// Names have to be UTF-8, else bad_file; metadata that are not are left out. The file is mapped when a tensor is first asked for. Tensors that do
/// not lie as they are wanted (not aligned, with strides) are copied.
std::shared_ptr<const WeightReader> file_weights(std::unique_ptr<const File> file, FileContent content);

}  // namespace impasto
