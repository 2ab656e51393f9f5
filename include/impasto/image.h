// Pictures on the host.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "impasto/api.h"

namespace impasto {

/// 8-bit RGB, rows top to bottom, no padding: pixels.size() == 3 * width * height.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Keyword and value of a PNG text chunk: tEXt when the value is Latin-1, iTXt when it needs UTF-8.
using TextChunk = std::pair<std::string, std::string>;

/// The file's bytes. Values are UTF-8. Throws invalid_argument when pixels.size() does not match the sides, a keyword is not 1..79
/// Latin-1 bytes, or a value is not UTF-8 or holds a NUL.
IMPASTO_API std::vector<std::uint8_t> encode_png(const Image& image, const std::vector<TextChunk>& text = {});

/// Writes `encode_png` to a temporary name beside `path`, syncs it and renames it: `path` holds either the whole new picture
/// or what it held before. A device or a pipe is written to directly. Throws io naming the path and the reason (missing folder, disk
/// full, permission).
IMPASTO_API void write_png(const std::string& path, const Image& image, const std::vector<TextChunk>& text = {});

}  // namespace impasto
