#include "image/mask.h"

#include <cmath>

#include "support/golden.h"

namespace impasto::test {
namespace {

Pixels grey_of(const GoldenCase& golden, const std::string& name) {
  const Shape shape = golden.shape(name);
  return {static_cast<int>(shape[1]), static_cast<int>(shape[0]), 1, golden.bytes(name)};
}

TEST(Mask, BlurEqualsPillow) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("images")) {
    if (!golden.settings().contains("radius")) continue;
    EXPECT_EQ(gaussian_blur(grey_of(golden, "image"), golden.settings().at("radius")).values, golden.bytes("image_out")) << golden.name();
    ++cases;
  }
  EXPECT_GE(cases, 5);
}

TEST(Mask, GreyWeighsColoursAsPillowDoes) {
  const Image image{4, 1, {255, 0, 0, 0, 255, 0, 0, 0, 255, 77, 77, 77}};
  EXPECT_EQ(to_grey(view_of(image)).values, (std::vector<std::uint8_t>{76, 150, 29, 77}));
}

TEST(Mask, SeamRisesInsideTheEdgeOnly) {
  Pixels mask(20, 1, 1);
  for (int x = 5; x < 20; ++x) mask.row(0)[x] = 255;
  EXPECT_EQ(seam_weights(mask.view(), 4).values, (std::vector<std::uint8_t>{0,   0,   0,   0,   0,   51,  102, 153, 204, 255,  //
                                                                            255, 255, 255, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(seam_weights(mask.view(), 0).values, mask.values);
}

TEST(Mask, SeamOfAThinMaskReachesWhiteInItsMiddle) {
  Pixels mask(9, 9, 1);
  for (int y = 3; y < 6; ++y)
    for (int x = 0; x < 9; ++x) mask.row(y)[x] = 255;
  const Pixels weights = seam_weights(mask.view(), 10);
  EXPECT_EQ(weights.row(4)[4], 255);
  EXPECT_EQ(weights.row(3)[4], 128);
  EXPECT_EQ(weights.row(2)[4], 0);
}

TEST(Mask, SeamDistancesAreNearTheTrueOnes) {
  constexpr int kSide = 41, kSeam = 99;
  Pixels mask(kSide, kSide, 1);
  std::fill(mask.values.begin(), mask.values.end(), std::uint8_t{255});
  mask.row(20)[20] = 0;
  const Pixels weights = seam_weights(mask.view(), kSeam);
  const double deepest = std::hypot(20, 20);
  for (int y = 0; y < kSide; ++y)
    for (int x = 0; x < kSide; ++x)  // 6 % off the true distance at either end, and half a level of rounding
      EXPECT_NEAR(weights.row(y)[x] / 255.0, std::hypot(x - 20, y - 20) / deepest, 0.12) << x << ' ' << y;
}

TEST(Mask, AMaskWithoutBlackHasNoSeam) {
  Pixels mask(5, 4, 1);
  std::fill(mask.values.begin(), mask.values.end(), std::uint8_t{255});
  EXPECT_EQ(seam_weights(mask.view(), 4).values, mask.values);
}

TEST(Mask, BlendKeepsWhatHasNoWeightAndTakesWhatHasAll) {
  Pixels onto(3, 1, 3, {10, 20, 30, 10, 20, 30, 10, 20, 30});
  const Pixels painted(3, 1, 3, {200, 201, 202, 200, 201, 202, 200, 201, 202}), weights(3, 1, 1, {0, 255, 51});
  blend(onto, painted.view(), weights.view());
  EXPECT_EQ(onto.values, (std::vector<std::uint8_t>{10, 20, 30, 200, 201, 202, 48, 56, 64}));
}

}  // namespace
}  // namespace impasto::test
