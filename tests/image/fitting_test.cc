// Cutting out and pasting back against diffusers' padding_mask_crop.
#include "image/fitting.h"

#include "support/golden.h"

namespace impasto::test {
namespace {

Pixels picture_of(const GoldenCase& golden, const std::string& name) {
  const Shape shape = golden.shape(name);
  return {static_cast<int>(shape[1]), static_cast<int>(shape[0]), shape.rank() == 3 ? 3 : 1, golden.bytes(name)};
}

TEST(Fitting, EqualsDiffusers) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("images")) {
    if (golden.name().rfind("images/crop_", 0) != 0) continue;
    const Json& settings = golden.settings();
    const int width = settings.at("width"), height = settings.at("height");
    const Region region = crop_region(picture_of(golden, "mask").view(), width, height, settings.at("padding"));
    const std::vector<int> box = settings.at("box");
    EXPECT_EQ(region, (Region{box[0], box[1], box[2], box[3]})) << golden.name();
    const Pixels filled = resize_and_fill(crop(picture_of(golden, "image").view(), region).view(), width, height);
    EXPECT_EQ(filled.values, golden.bytes("filled")) << golden.name();
    EXPECT_EQ(resize_and_crop(filled.view(), region.width(), region.height()).values, golden.bytes("back")) << golden.name();
    ++cases;
  }
  EXPECT_GE(cases, 5);
}

TEST(Fitting, RegionsStayInsideThePictureAndHoldTheMask) {
  for (int left = 0; left < 12; ++left)
    for (int top = 0; top < 9; ++top)
      for (const auto& [width, height] : {std::pair{8, 8}, {64, 8}, {8, 64}}) {
        Pixels mask(12, 9, 1);
        mask.row(top)[left] = 1;
        const Region r = crop_region(mask.view(), width, height, left % 4);
        EXPECT_TRUE(0 <= r.left && r.left <= left && left < r.right && r.right <= 12) << left;
        EXPECT_TRUE(0 <= r.top && r.top <= top && top < r.bottom && r.bottom <= 9) << top;
      }
}

TEST(Fitting, PasteLeavesOutWhatLiesOutside) {
  Pixels canvas(3, 2, 1);
  const Pixels patch(2, 2, 1, {1, 2, 3, 4});
  paste(canvas, patch.view(), -1, 1);
  paste(canvas, patch.view(), 2, -1);
  paste(canvas, patch.view(), 9, 9);
  EXPECT_EQ(canvas.values, (std::vector<std::uint8_t>{0, 0, 3, 2, 0, 0}));
}

}  // namespace
}  // namespace impasto::test
