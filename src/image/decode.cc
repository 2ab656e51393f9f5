#include <algorithm>
#include <array>
#include <string_view>

#include "core/file.h"
#include "core/guard.h"
#include "core/memory.h"
#include "image/decoders.h"
#include "image/exif.h"
#include "impasto/metadata.h"

namespace impasto {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 28;  // of a file
/// Where Pillow, too, speaks of a decompression bomb. 13,377 pixels square.
constexpr std::uint64_t kMostPixels = 178'956'970;

/// A format by the bytes at `offset`.
struct Signature {
  std::string_view bytes;
  std::size_t offset;
  const char* format;
  DecodedImage (*decode)(const ImageFile&);  ///< null for formats that we only know by name
};

constexpr std::string_view kPng("\x89PNG\r\n\x1a\n", 8);
constexpr std::array<Signature, 12> kSignatures{{
    {kPng, 0, "PNG", decode_png},
    {"\xff\xd8\xff", 0, "JPEG", decode_jpeg},
    {"WEBP", 8, "WebP", decode_webp},
    {"GIF8", 0, "GIF", nullptr},
    {"BM", 0, "BMP", nullptr},
    {"II*", 0, "TIFF", nullptr},
    {"MM", 0, "TIFF", nullptr},
    {"ftypavi", 4, "AVIF", nullptr},
    {"ftyp", 4, "HEIF or video", nullptr},
    {"\xff\x0a", 0, "JPEG XL", nullptr},
    {"<svg", 0, "SVG", nullptr},
    {"%PDF", 0, "PDF", nullptr},
}};

const Signature* recognise(std::span<const std::uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto found = std::find_if(kSignatures.begin(), kSignatures.end(),
                                  [&](const Signature& s) { return text.size() >= s.offset && text.substr(s.offset, s.bytes.size()) == s.bytes; });
  return found == kSignatures.end() ? nullptr : &*found;
}

DecodedImage decode(const ImageFile& file) {
  if (file.bytes.empty()) file.bad("it is empty");
  const Signature* format = recognise(file.bytes);
  if (format == nullptr) file.bad("it is not a picture that is known here; PNG, JPEG and WebP are read");
  if (format->decode == nullptr)
    fail(ErrorKind::unsupported, file.name, ": it is a picture in ", format->format, " format; PNG, JPEG and WebP are read, so convert it first");
  return format->decode(file);
}

DecodedImage decode_file(const std::string& path) {
  const std::string bytes = read_file(path, kMostBytes);
  return decode({{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, path});
}

Image turned(DecodedImage decoded) { return upright(std::move(decoded.image), exif_orientation(decoded.exif)); }

}  // namespace

void require_reasonable_size(const ImageFile& file, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) file.bad("it says that it is ", width, " x ", height, " pixels, which is nothing");
  if (width > kMostPixels || height > kMostPixels || width * height > kMostPixels)
    fail(ErrorKind::unsupported, file.name, ": it says that it is ", width, " x ", height, " pixels, which is more than the ",
         kMostPixels / 1'000'000, " million that are read; make it smaller first");
  const std::uint64_t needed = 2 * 3 * width * height;  // once more while it is turned
  if (needed > static_cast<std::uint64_t>(std::max<std::int64_t>(available_memory(), 0)))
    fail(ErrorKind::out_of_memory, file.name, ": ", width, " x ", height, " pixels do not fit in the memory that is left; make it smaller first");
}

void require_enough_bytes(const ImageFile& file, std::uint64_t least, std::uint64_t width, std::uint64_t height) {
  if (file.bytes.size() < least)
    file.bad("it says that it is ", width, " x ", height, " pixels, which take at least ", least, " bytes, but it has ", file.bytes.size(),
             "; it was cut short");
}

Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name) {
  return guarded([&] { return turned(decode({bytes, name})); });
}

Image read_image(const std::string& path) {
  return guarded([&] { return turned(decode_file(path)); });
}

std::vector<TextChunk> read_image_text(const std::string& path) {
  return guarded([&] {
    DecodedImage decoded = decode_file(path);
    std::string comment = exif_user_comment(decoded.exif);
    if (!comment.empty()) decoded.text.emplace_back("parameters", std::move(comment));
    return std::move(decoded.text);
  });
}

}  // namespace impasto
