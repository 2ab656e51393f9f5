#include "image/exif.h"

#include <algorithm>
#include <cstring>

namespace impasto {
namespace {

/// Numbers of a TIFF structure in its own byte order; 0 beyond its end.
class Tiff {
 public:
  explicit Tiff(std::span<const std::uint8_t> bytes) : bytes_(bytes), big_endian_(bytes.size() > 1 && bytes[0] == 'M') {}

  bool valid() const { return bytes_.size() >= 8 && (bytes_[0] == 'I' || bytes_[0] == 'M') && bytes_[1] == bytes_[0] && number(2, 2) == 42; }
  std::uint32_t number(std::uint64_t at, int size) const {
    if (at + static_cast<std::uint64_t>(size) > bytes_.size()) return 0;
    std::uint32_t value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | bytes_[at + static_cast<std::uint64_t>(big_endian_ ? i : size - 1 - i)];
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_endian_;
};

constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3;
constexpr std::uint64_t kEntryBytes = 12;  // tag, type, count, value

}  // namespace

int exif_orientation(std::span<const std::uint8_t> exif) {
  constexpr char kPrefix[] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= sizeof kPrefix && std::memcmp(exif.data(), kPrefix, sizeof kPrefix) == 0) exif = exif.subspan(sizeof kPrefix);
  const Tiff tiff(exif);
  if (!tiff.valid()) return 1;
  const std::uint64_t directory = tiff.number(4, 4), entries = tiff.number(directory, 2);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + i * kEntryBytes;
    if (tiff.number(entry, 2) != kOrientationTag || tiff.number(entry + 2, 2) != kShort) continue;
    const auto value = static_cast<int>(tiff.number(entry + 8, 2));
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const auto is_one_of = [&](std::initializer_list<int> list) { return std::find(list.begin(), list.end(), orientation) != list.end(); };
  const bool swap = orientation >= 5, flip_x = is_one_of({2, 3, 7, 8}), flip_y = is_one_of({3, 4, 6, 7});
  Image out{swap ? image.height : image.width, swap ? image.width : image.height, std::vector<std::uint8_t>(image.pixels.size())};
  std::uint8_t* next = out.pixels.data();
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x, next += 3) {
      const int u = swap ? y : x, v = swap ? x : y;
      const auto from_x = static_cast<std::size_t>(flip_x ? image.width - 1 - u : u),
                 from_y = static_cast<std::size_t>(flip_y ? image.height - 1 - v : v);
      std::memcpy(next, &image.pixels[3 * (from_y * static_cast<std::size_t>(image.width) + from_x)], 3);
    }
  }
  return out;
}

}  // namespace impasto
