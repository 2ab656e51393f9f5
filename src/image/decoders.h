// A reader for each format; see decode_image for what they promise together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/fail.h"
#include "impasto/image.h"

namespace impasto {

/// A picture as its file stores it, and what the file says about it.
struct DecodedImage {
  Image image;                     ///< as stored: not yet turned
  std::vector<std::uint8_t> exif;  ///< TIFF structure, perhaps behind "Exif\0\0"; empty for none
  std::vector<TextChunk> text;     ///< UTF-8
};

/// A file in memory, and its name for messages.
struct ImageFile {
  std::span<const std::uint8_t> bytes;
  const std::string& name;

  template <typename... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorKind::bad_file, name, ": ", parts...);
  }
};

/// To be called once the header is read, before memory is taken. Throws unsupported for more pixels than anybody draws from, out_of_memory
/// for more than fit.
void require_reasonable_size(const ImageFile& file, std::uint64_t width, std::uint64_t height);
/// Likewise: throws bad_file for a file of fewer bytes than the least that a whole picture of its size takes in its format, so that a few bytes
/// do not ask for gigabytes.
void require_enough_bytes(const ImageFile& file, std::uint64_t least, std::uint64_t width, std::uint64_t height);

DecodedImage decode_png(const ImageFile& file);
DecodedImage decode_jpeg(const ImageFile& file);
DecodedImage decode_webp(const ImageFile& file);

}  // namespace impasto
