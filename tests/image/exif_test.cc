#include "image/exif.h"

#include <string>

#include <gtest/gtest.h>

namespace impasto::test {
namespace {

std::vector<std::uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

/// A directory with one entry before the orientation.
std::string block(bool big_endian, int orientation, int type = 3) {
  const auto number = [&](int value, int size) {
    std::string text;
    for (int i = 0; i < size; ++i) text += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i));
    return text;
  };
  return std::string(big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) + number(2, 2) +  //
         number(0x0100, 2) + number(4, 2) + number(1, 4) + number(640, 4) +                     //
         number(0x0112, 2) + number(type, 2) + number(1, 4) + number(orientation, 2) + number(0, 2) + number(0, 4);
}

TEST(Exif, FindsTheOrientationInBothByteOrders) {
  for (const bool big_endian : {false, true})
    for (int orientation = 1; orientation <= 8; ++orientation) {
      EXPECT_EQ(exif_orientation(bytes(block(big_endian, orientation))), orientation);
      EXPECT_EQ(exif_orientation(bytes(std::string("Exif\0\0", 6) + block(big_endian, orientation))), orientation);
    }
}

TEST(Exif, NonsenseMeansUpright) {
  EXPECT_EQ(exif_orientation({}), 1);
  EXPECT_EQ(exif_orientation(bytes("Exif")), 1);
  EXPECT_EQ(exif_orientation(bytes(block(true, 0))), 1);
  EXPECT_EQ(exif_orientation(bytes(block(true, 9))), 1);
  EXPECT_EQ(exif_orientation(bytes(block(true, 6, /*type=*/4))), 1);
  std::string far = block(false, 6);
  far[4] = far[5] = far[6] = far[7] = '\xff';  // the directory lies beyond the end
  EXPECT_EQ(exif_orientation(bytes(far)), 1);
  const std::string whole = block(false, 6);
  for (std::size_t size = 0; size < whole.size() - 8; ++size) EXPECT_EQ(exif_orientation(bytes(whole.substr(0, size))), 1) << size;
}

/// An EXIF directory with a user comment.
std::string comment_block(bool big_endian, const std::string& comment, std::size_t type = 7) {
  const auto number = [&](std::size_t value, int size) {
    std::string text;
    for (int i = 0; i < size; ++i) text += static_cast<char>(value >> 8 * (big_endian ? size - 1 - i : i));
    return text;
  };
  return std::string(big_endian ? "MM" : "II") + number(42, 2) + number(8, 4) +                           //
         number(1, 2) + number(0x8769, 2) + number(4, 2) + number(1, 4) + number(26, 4) + number(0, 4) +  //
         number(1, 2) + number(0x9286, 2) + number(type, 2) + number(comment.size(), 4) + number(44, 4) + number(0, 4) + comment;
}

TEST(Exif, ReadsTheUserCommentInItsEncodings) {
  const std::string ascii = std::string("ASCII\0\0\0", 8) + "Steps: 3", code = std::string("UNICODE\0", 8);
  const std::string big("\0a\x4e\x2d\xd8\x3d\xde\x00", 8), little("a\0\x2d\x4e\x3d\xd8\x00\xde", 8);
  for (const bool big_endian : {false, true}) {
    EXPECT_EQ(exif_user_comment(bytes(comment_block(big_endian, ascii))), "Steps: 3");
    EXPECT_EQ(exif_user_comment(bytes(comment_block(big_endian, code + std::string("\0b\0c", 4) + big))), "bca\u4e2d\U0001F600");
    EXPECT_EQ(exif_user_comment(bytes(comment_block(big_endian, code + std::string("b\0c\0", 4) + little))), "bca\u4e2d\U0001F600");
  }
  EXPECT_EQ(exif_user_comment(bytes(comment_block(true, "JIS\0\0\0\0\0what"))), "");
  EXPECT_EQ(exif_user_comment(bytes(comment_block(true, ascii, /*type=*/1))), "Steps: 3");  // as Pillow writes it
  EXPECT_EQ(exif_user_comment(bytes(block(true, 6))), "");
  const std::string whole = comment_block(false, ascii);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(exif_user_comment(bytes(whole.substr(0, size))), "") << size;
}

/// Letters in the place of pixels.
std::string turned(const std::string& rows, int width, int orientation) {
  Image image{width, static_cast<int>(rows.size()) / width, {}};
  for (const char c : rows) image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(c));
  const Image out = upright(image, orientation);
  std::string text;
  for (std::size_t i = 0; i < out.pixels.size(); i += 3)
    text += std::string(i > 0 && i / 3 % static_cast<std::size_t>(out.width) == 0 ? "/" : "") + static_cast<char>(out.pixels[i]);
  return text;
}

TEST(Exif, TurnsPicturesAsTheOrientationSays) {
  const std::string picture = "abcdef";  // abc above def
  const char* expected[] = {"", "abc/def", "cba/fed", "fed/cba", "def/abc", "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (int orientation = 1; orientation <= 8; ++orientation) EXPECT_EQ(turned(picture, 3, orientation), expected[orientation]) << orientation;
}

}  // namespace
}  // namespace impasto::test
