// https://huggingface.co/docs/safetensors: 8 bytes of header length (little-endian), the header, then the tensors' bytes.
#include <bit>

#include "core/fail.h"
#include "weights/file_weights.h"
#include "weights/safetensors_header.h"

namespace impasto {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors stores little-endian numbers; this code uses them in place");

constexpr std::uint64_t kLengthBytes = 8;

std::uint64_t header_length(const File& file) {
  if (file.size() < kLengthBytes)
    fail(ErrorKind::bad_file, file.path(), ": has ", file.size(), " bytes, too few for a safetensors file: truncated? Get the file again");
  std::uint64_t length = 0;
  file.read(&length, kLengthBytes, 0);
  if (length > kMaxHeaderBytes)
    fail(ErrorKind::bad_file, file.path(), ": the header would take ", length, " bytes, expected at most ", kMaxHeaderBytes,
         ": not a safetensors file?");
  if (length > file.size() - kLengthBytes)
    fail(ErrorKind::bad_file, file.path(), ": has ", file.size(), " bytes, but the header alone takes ", length, ": truncated? Get the file again");
  return length;
}

}  // namespace

std::shared_ptr<const WeightReader> open_safetensors(const std::string& path) {
  auto file = std::make_unique<const File>(path);
  const std::uint64_t data = kLengthBytes + header_length(*file);
  FileContent content{"safetensors", "F32, F16, BF16, F64, I64, I32 or U8", {}, {}};
  for (StoredTensor& t : parse_safetensors_header(FileBytes(*file), kLengthBytes, data, file->size() - data, &content.metadata))
    content.tensors.push_back({std::move(t.name), t.type->name, t.type->dtype, t.rank, t.shape, data + t.begin, data + t.end});
  return file_weights(std::move(file), std::move(content));
}

}  // namespace impasto
