// Which format a file has: what it begins with says so, its name does not.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/fail.h"
#include "core/file.h"
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

/// What a file is that no model is in. Never its bytes: a name may lead to a file that is not meant to be shown.
std::string other_kind(const Beginning& b) {
  struct Kind {
    std::string_view magic;
    const char* name;
  };
  constexpr Kind kKinds[] = {
      {"version https://", "is a pointer of Git LFS, not the file that it stands for: fetch that (git lfs pull, or download it)"},
      {"<!", "is a page of the web: the download went wrong"},
      {"<html", "is a page of the web: the download went wrong"},
      {"{", "is JSON, not weights"},
      {"\x89PNG", "is a picture (PNG)"},
      {"\xFF\xD8\xFF", "is a picture (JPEG)"},
      {"\x1F\x8B", "is an archive (gzip): unpack it"},
      {"ggml", "is a ggml file, GGUF's forerunner"},
      {"lmgg", "is a ggml file, GGUF's forerunner"},
      {"\x89HDF", "is an HDF5 file"}};
  for (const Kind& kind : kKinds)
    if (b.is(kind.magic)) return kind.name;
  if (b.size < 10) return concat("has ", b.size, " bytes, too few for a model's file: truncated?");
  const auto is_text = [](unsigned char c) { return (c >= 0x20 && c <= 0x7E) || c == '\n' || c == '\r' || c == '\t'; };
  return std::all_of(b.bytes.begin(), b.bytes.begin() + static_cast<std::ptrdiff_t>(b.size), is_text) ? "is a text"
                                                                                                      : "begins as no model's file does";
}

}  // namespace

std::shared_ptr<const WeightReader> open_weights_file(const std::string& path) {
  const Beginning b = read_beginning(path);
  if (b.size == 0) fail(ErrorKind::bad_file, path, ": is empty; get the file again");
  if (is_safetensors(b)) return open_safetensors(path);
  if (b.is(std::string_view("PK\3\4")) || (b.is("\x80") && b.size > 1 && b.bytes[1] >= 2 && b.bytes[1] <= 5)) return open_torch(path);
  if (b.is("GGUF")) return open_gguf(path);
  fail(ErrorKind::bad_file, path, ": ", other_kind(b), "; supported are safetensors, PyTorch's files (.ckpt, .pt, .bin) and GGUF");
}

}  // namespace impasto
