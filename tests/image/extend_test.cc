#include "image/extend.h"

#include <cmath>

#include <gtest/gtest.h>

namespace impasto::test {
namespace {

TEST(Extend, KeepsThePictureAndGoesOnFromItsEdge) {
  Pixels image(9, 7, 3);
  for (std::size_t i = 0; i < image.values.size(); ++i) image.values[i] = static_cast<std::uint8_t>(i);
  const Pixels out = extended(image.view(), {.left = 3, .top = 2, .right = 1, .bottom = 0});
  ASSERT_EQ(std::pair(out.width, out.height), std::pair(13, 9));
  for (int y = 0; y < 7; ++y)
    for (int i = 0; i < 27; ++i) EXPECT_EQ(out.row(y + 2)[9 + i], image.row(y)[i]);
  for (int y = 0; y < 7; ++y)
    for (int distance = 1; distance <= 3; ++distance) EXPECT_LE(std::abs(out.row(y + 2)[3 * (3 - distance)] - image.row(y)[0]), distance);
  EXPECT_EQ(extended(image.view(), {.left = 3, .top = 2, .right = 1, .bottom = 0}).values, out.values);
}

TEST(Extend, MarginsOfAMaskAreWhite) {
  const Pixels mask(2, 1, 1, {0, 90});
  EXPECT_EQ(extended_mask(mask.view(), {.left = 1, .top = 0, .right = 2, .bottom = 1}).values,
            (std::vector<std::uint8_t>{255, 0, 90, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(extended_mask(mask.view(), {}).values, mask.values);
}

}  // namespace
}  // namespace impasto::test
