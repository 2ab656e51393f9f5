#include <string_view>

#include "image/exif.h"
#include "image/text_encoding.h"

namespace impasto {
namespace {

constexpr std::uint32_t kLong = 4, kUndefined = 7;

/// Big-endian numbers and bytes, one after the other.
class Block {
 public:
  void add(std::uint32_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  }
  void add(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
  /// A directory with one entry, and none after it.
  void add_directory(std::uint32_t tag, std::uint32_t type, std::uint32_t count, std::uint32_t value) {
    add(1, 2);
    add(tag, 2);
    add(type, 2);
    add(count, 4);
    add(value, 4);
    add(0, 4);
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(bytes_.size()); }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

std::vector<std::uint8_t> exif_with_user_comment(const std::string& utf8) {
  constexpr std::uint32_t kHeader = 8, kDirectory = 2 + 12 + 4;  // bytes
  constexpr std::string_view kCode("UNICODE\0", 8);
  const std::string text = to_utf16be(utf8);
  Block block;
  block.add("MM");
  block.add(42, 2);
  block.add(kHeader, 4);
  block.add_directory(0x8769, kLong, 1, kHeader + kDirectory);  // where the EXIF directory is
  block.add_directory(0x9286, kUndefined, static_cast<std::uint32_t>(kCode.size() + text.size()), kHeader + 2 * kDirectory);
  block.add(kCode);
  block.add(text);
  return block.take();
}

}  // namespace impasto
