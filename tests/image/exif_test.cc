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
