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
  /// Empty where they would reach beyond the end.
  std::span<const std::uint8_t> bytes(std::uint64_t at, std::uint64_t count) const {
    return at + count <= bytes_.size() ? bytes_.subspan(at, count) : std::span<const std::uint8_t>();
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool big_endian_;
};

constexpr std::uint32_t kOrientation = 0x0112, kExifDirectory = 0x8769, kUserComment = 0x9286;
constexpr std::uint32_t kByte = 1, kShort = 3, kLong = 4, kUndefined = 7;
constexpr std::uint64_t kEntryBytes = 12;  // tag, type, count, value or its place

Tiff tiff_of(std::span<const std::uint8_t> exif) {
  constexpr char kPrefix[] = {'E', 'x', 'i', 'f', 0, 0};
  if (exif.size() >= sizeof kPrefix && std::memcmp(exif.data(), kPrefix, sizeof kPrefix) == 0) exif = exif.subspan(sizeof kPrefix);
  return Tiff(exif);
}

/// Where the entry with the tag and one of the types begins in a directory; 0 for none.
std::uint64_t find_entry(const Tiff& tiff, std::uint64_t directory, std::uint32_t tag, std::initializer_list<std::uint32_t> types) {
  const std::uint64_t entries = tiff.number(directory, 2);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + i * kEntryBytes;
    if (tiff.number(entry, 2) == tag && std::find(types.begin(), types.end(), tiff.number(entry + 2, 2)) != types.end()) return entry;
  }
  return 0;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  }
}

std::string from_utf16(std::span<const std::uint8_t> bytes, bool big_endian) {
  const auto unit = [&](std::size_t i) { return static_cast<char32_t>(big_endian ? bytes[i] << 8 | bytes[i + 1] : bytes[i + 1] << 8 | bytes[i]); };
  constexpr char32_t kReplacement = 0xFFFD;
  std::string text;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < bytes.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      i += 2;
    }
    append_utf8(text, c >= 0xD800 && c < 0xE000 ? kReplacement : c);
  }
  return text;
}

/// Programs disagree about the order: most texts have a zero in the upper half of most units.
bool looks_big_endian(std::span<const std::uint8_t> bytes) {
  std::size_t first = 0, second = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) first += bytes[i] == 0, second += bytes[i + 1] == 0;
  return first >= second;
}

}  // namespace

int exif_orientation(std::span<const std::uint8_t> exif) {
  const Tiff tiff = tiff_of(exif);
  if (!tiff.valid()) return 1;
  const std::uint64_t entry = find_entry(tiff, tiff.number(4, 4), kOrientation, {kShort});
  const auto value = entry == 0 ? 1 : static_cast<int>(tiff.number(entry + 8, 2));
  return value >= 1 && value <= 8 ? value : 1;
}

std::string exif_user_comment(std::span<const std::uint8_t> exif) {
  constexpr std::size_t kCode = 8;  // bytes that name the encoding
  const Tiff tiff = tiff_of(exif);
  if (!tiff.valid()) return {};
  const std::uint64_t pointer = find_entry(tiff, tiff.number(4, 4), kExifDirectory, {kLong});
  const std::uint64_t entry = pointer == 0 ? 0 : find_entry(tiff, tiff.number(pointer + 8, 4), kUserComment, {kUndefined, kByte});
  if (entry == 0) return {};
  const auto bytes = tiff.bytes(tiff.number(entry + 8, 4), tiff.number(entry + 4, 4));
  if (bytes.size() <= kCode) return {};
  const auto text = bytes.subspan(kCode);
  if (std::memcmp(bytes.data(), "UNICODE", kCode) == 0) return from_utf16(text, looks_big_endian(text));
  std::string plain;
  if (std::memcmp(bytes.data(), "ASCII\0\0", kCode) == 0)
    for (const std::uint8_t byte : text) append_utf8(plain, byte);
  return plain.substr(0, plain.find('\0'));
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
