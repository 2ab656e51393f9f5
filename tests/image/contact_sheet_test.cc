#include <gtest/gtest.h>

#include "impasto/image.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

/// All of one grey.
Image grey(int width, int height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height), value)};
}

std::uint8_t at(const Image& image, int x, int y) { return image.pixels.at(3 * static_cast<std::size_t>(y * image.width + x)); }

TEST(ContactSheet, IsAboutSquare) {
  for (const auto& [n, across, down] :
       {std::tuple{1, 1, 1}, {2, 2, 1}, {3, 2, 2}, {4, 2, 2}, {5, 3, 2}, {6, 3, 2}, {7, 3, 3}, {9, 3, 3}, {10, 4, 3}, {12, 4, 3}}) {
    const Image sheet = contact_sheet(std::vector<Image>(static_cast<std::size_t>(n), grey(4, 2, 9)));
    EXPECT_EQ(sheet.width, 4 * across) << n;
    EXPECT_EQ(sheet.height, 2 * down) << n;
    EXPECT_EQ(sheet.pixels.size(), 3u * 8 * static_cast<std::size_t>(across * down));
  }
}

TEST(ContactSheet, GoesFromLeftToRightAndLeavesTheRestBlack) {
  std::vector<Image> images;
  for (const int value : {10, 20, 30}) images.push_back(grey(2, 3, static_cast<std::uint8_t>(value)));
  const Image sheet = contact_sheet(images, 2);
  EXPECT_EQ(std::pair(sheet.width, sheet.height), std::pair(4, 6));
  for (const auto& [x, y, value] : {std::tuple{0, 0, 10}, {1, 2, 10}, {2, 0, 20}, {3, 2, 20}, {0, 3, 30}, {1, 5, 30}, {2, 3, 0}, {3, 5, 0}})
    EXPECT_EQ(at(sheet, x, y), value) << x << " " << y;
  EXPECT_EQ(contact_sheet(images, 99).width, 6);
  EXPECT_EQ(contact_sheet(images, 1).height, 9);
}

TEST(ContactSheet, CellsHaveRoomForTheLargest) {
  const Image sheet = contact_sheet({grey(2, 2, 10), grey(3, 1, 20)});
  EXPECT_EQ(std::pair(sheet.width, sheet.height), std::pair(6, 2));
  EXPECT_EQ(at(sheet, 2, 0), 0);
  EXPECT_EQ(at(sheet, 5, 0), 20);
  EXPECT_EQ(at(sheet, 5, 1), 0);
}

TEST(ContactSheet, RefusesNothingTornPicturesAndHugeSheets) {
  EXPECT_ERROR(contact_sheet({}), invalid_argument, "no picture");
  EXPECT_ERROR(contact_sheet({grey(2, 2, 1)}, -1), invalid_argument, "columns");
  Image torn = grey(2, 2, 1);
  torn.pixels.pop_back();
  EXPECT_ERROR(contact_sheet({grey(2, 2, 1), torn}), invalid_argument, "picture 1", "11 bytes");
  EXPECT_ERROR(contact_sheet(std::vector<Image>(9, grey(8192, 1, 1)), 9), invalid_argument, "73728 x 1", "65536");
}

}  // namespace
}  // namespace impasto::test
