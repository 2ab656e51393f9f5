#include <algorithm>
#include <cctype>
#include <filesystem>

#include "core/atomic_file.h"
#include "core/fail.h"
#include "core/guard.h"
#include "image/encoders.h"
#include "image/exif.h"
#include "image/pixels.h"
#include "image/text_encoding.h"

namespace impasto {
namespace {

/// JPEG and WebP carry no text of their own; A1111 puts what a PNG's "parameters" says into the EXIF user comment.
std::vector<std::uint8_t> exif_of(const std::vector<TextChunk>& text, const char* format) {
  if (text.empty()) return {};
  if (text.size() > 1 || text.front().first != "parameters")
    fail(ErrorKind::invalid_argument, format, ": holds one text, \"parameters\"; a PNG holds any");
  if (text_encoding(text.front().second) == TextEncoding::invalid)
    fail(ErrorKind::invalid_argument, format, ": the text \"parameters\" is not UTF-8 without NUL");
  return exif_with_user_comment(text.front().second);
}

std::vector<std::uint8_t> encode(const Image& image, ImageFormat format, const std::vector<TextChunk>& text, const EncodeOptions& options) {
  if (options.quality < 1 || options.quality > 100) fail(ErrorKind::invalid_argument, "quality is ", options.quality, ", allowed is 1 to 100");
  switch (format) {
    case ImageFormat::jpeg: return jpeg_bytes(image, exif_of(text, "JPEG"), options);
    case ImageFormat::webp: return webp_bytes(image, exif_of(text, "WebP"), options);
    default: return png_bytes(image, text);
  }
}

}  // namespace

void require_encodable(const Image& image, const char* format, int longest_side) {
  if (!is_whole(image))
    fail(ErrorKind::invalid_argument, format, ": ", image.pixels.size(), " bytes of pixels do not make a picture of ", image.width, " x ",
         image.height, " (3 bytes each)");
  if (std::max(image.width, image.height) > longest_side)
    fail(ErrorKind::invalid_argument, format, ": a picture of ", image.width, " x ", image.height, " is too large for it; its sides have at most ",
         longest_side, " pixels. PNG has no such limit");
}

std::optional<ImageFormat> image_format_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".png") return ImageFormat::png;
  if (extension == ".jpg" || extension == ".jpeg") return ImageFormat::jpeg;
  if (extension == ".webp") return ImageFormat::webp;
  return std::nullopt;
}

std::vector<std::uint8_t> encode_image(const Image& image, ImageFormat format, const std::vector<TextChunk>& text, const EncodeOptions& options) {
  return guarded([&] { return encode(image, format, text, options); });
}

std::vector<std::uint8_t> encode_png(const Image& image, const std::vector<TextChunk>& text) { return encode_image(image, ImageFormat::png, text); }

void write_image(const std::string& path, const Image& image, const std::vector<TextChunk>& text, const EncodeOptions& options) {
  guarded([&] {
    const auto format = image_format_of(path);
    if (!format && std::filesystem::path(path).has_extension())
      fail(ErrorKind::invalid_argument, path, ": pictures are written as PNG, JPEG and WebP, so it should end in .png, .jpg or .webp");
    write_file_atomically(path, encode(image, format.value_or(ImageFormat::png), text, options));
  });
}

void write_png(const std::string& path, const Image& image, const std::vector<TextChunk>& text) {
  guarded([&] { write_file_atomically(path, encode(image, ImageFormat::png, text, {})); });
}

}  // namespace impasto
