// Pictures on the host.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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

/// A picture of a PNG, JPEG or WebP file, told by its content. It is turned as its EXIF orientation says. Everything becomes 8-bit RGB as
/// Pillow's convert("RGB") does it: alpha is left out (not blended), palettes and greys become colours; of 16 bits the upper 8 stay. Colour
/// profiles are not applied. Of an animated PNG its still picture is read.
/// Throws bad_file for what is cut short, damaged or no picture, unsupported for other formats, animated WebP and more than 178 million pixels,
/// which is looked at before memory is taken; out_of_memory. Messages begin with `name`.
IMPASTO_API Image decode_image(std::span<const std::uint8_t> file, const std::string& name = "picture");

/// `decode_image` of a file of at most 256 MiB. Throws not_found and io, too.
IMPASTO_API Image read_image(const std::string& path);

enum class ResizeFilter { nearest, bilinear, bicubic, lanczos };

/// Exactly what Pillow's Image.resize gives. Throws invalid_argument for sides outside 1..65536.
IMPASTO_API Image resize(const Image& image, int width, int height, ResizeFilter filter = ResizeFilter::lanczos);

/// Pictures beside and below each other, from left to right and top to bottom, without gaps; cells are as large as the largest picture, and what is
/// left of them is black. columns 0: as many rows as the rounded square root of their number, as A1111's grids. Throws invalid_argument for no
/// picture, columns below 0, and a sheet with a side beyond 65536.
IMPASTO_API Image contact_sheet(const std::vector<Image>& images, int columns = 0);

/// Keyword and value of a text in a picture. In a PNG any of them: tEXt when the value is Latin-1, iTXt when it needs UTF-8. JPEG and WebP hold
/// "parameters" alone, as EXIF user comment in UTF-16, which is where A1111 writes it.
using TextChunk = std::pair<std::string, std::string>;

enum class ImageFormat { png, jpeg, webp };
/// By a path's extension, whatever its case: .png, .jpg, .jpeg, .webp; nothing for others.
IMPASTO_API std::optional<ImageFormat> image_format_of(const std::string& path);

struct EncodeOptions {
  /// 1..100, of JPEG and WebP. JPEG's colours have half the picture's resolution below 90. Of a lossless WebP: how hard it tries to be small.
  int quality = 90;
  bool lossless = false;  ///< WebP keeps every pixel as it is
};

/// The file's bytes. Values are UTF-8. Throws invalid_argument when pixels.size() does not match the sides or these are longer than the format's
/// longest (PNG 1,000,000, JPEG 65,500, WebP 16,383), a keyword is not 1..79 Latin-1 bytes or not one that the format holds, a value is not UTF-8,
/// holds a NUL or is too long for a JPEG (about 32,700 UTF-16 units), or quality is out of range.
IMPASTO_API std::vector<std::uint8_t> encode_image(const Image& image, ImageFormat format, const std::vector<TextChunk>& text = {},
                                                   const EncodeOptions& options = {});
IMPASTO_API std::vector<std::uint8_t> encode_png(const Image& image, const std::vector<TextChunk>& text = {});

/// Writes `encode_image`, in the format that image_format_of() finds, or PNG for a path without an extension, to a temporary file in the folder of
/// `path`, syncs it and renames it: `path` holds either the whole new picture or what it held before. A device or a pipe is written to directly.
/// Throws io naming the path and the reason (missing folder, disk full, permission), invalid_argument for another extension.
IMPASTO_API void write_image(const std::string& path, const Image& image, const std::vector<TextChunk>& text = {}, const EncodeOptions& options = {});
/// The same as a PNG, whatever the path is called.
IMPASTO_API void write_png(const std::string& path, const Image& image, const std::vector<TextChunk>& text = {});

}  // namespace impasto
