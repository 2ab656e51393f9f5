// Which format a file has: what it begins with says so, its name does not.
#include <array>
#include <cstring>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "weights/reader.h"

namespace impasto {
namespace {

struct Beginning {
  std::array<unsigned char, 16> bytes{};
  std::size_t size = 0;

  bool is(std::string_view magic) const { return size >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0; }
};

Beginning read_beginning(const std::string& path) {
  const File file(path);
  Beginning b;
  b.size = static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), b.bytes.size()));
  file.read(b.bytes.data(), b.size, 0);
  return b;
}

/// A header's length below 100 MB, then its brace (or a blank before it).
bool is_safetensors(const Beginning& b) {
  return b.size >= 10 && b.bytes[5] == 0 && b.bytes[6] == 0 && b.bytes[7] == 0 && (b.bytes[8] == '{' || b.bytes[8] == ' ');
}

}  // namespace

std::shared_ptr<const WeightReader> open_weights_file(const std::string& path) {
  const Beginning b = read_beginning(path);
  if (b.size == 0) fail(ErrorKind::bad_file, path, ": is empty; get the file again");
  if (is_safetensors(b)) return open_safetensors(path);
  if (b.is(std::string_view("PK\3\4")) || (b.is("\x80") && b.size > 1 && b.bytes[1] >= 2 && b.bytes[1] <= 5)) return open_torch(path);
  if (b.is("GGUF")) return open_gguf(path);
  fail(ErrorKind::bad_file, path, ": begins with ", in_quotes({reinterpret_cast<const char*>(b.bytes.data()), std::min<std::size_t>(b.size, 8)}),
       ", which is not how a model's file begins; supported are safetensors, PyTorch's files (.ckpt, .pt, .bin) and GGUF");
}

}  // namespace impasto
