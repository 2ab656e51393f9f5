// Resizing against Pillow, value for value.
#include "image/resample.h"

#include <map>

#include "support/expect_error.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

ResizeFilter filter_named(const std::string& name) {
  static const std::map<std::string, ResizeFilter> filters{{"nearest", ResizeFilter::nearest},
                                                           {"bilinear", ResizeFilter::bilinear},
                                                           {"bicubic", ResizeFilter::bicubic},
                                                           {"lanczos", ResizeFilter::lanczos}};
  return filters.at(name);
}

TEST(Resample, EqualsPillow) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("images")) {
    if (golden.name().rfind("images/resize_", 0) != 0) continue;
    const Shape shape = golden.shape("image");
    const std::vector<std::uint8_t> values = golden.bytes("image");
    const PixelView image{values.data(), static_cast<int>(shape[1]), static_cast<int>(shape[0]), shape.rank() == 3 ? 3 : 1};
    Box box = whole(image);
    if (golden.settings().contains("box")) {
      const std::vector<double> sides = golden.settings().at("box");
      box = {sides[0], sides[1], sides[2], sides[3]};
    }
    const Pixels got =
        resample(image, box, golden.settings().at("width"), golden.settings().at("height"), filter_named(golden.settings().at("filter")));
    EXPECT_EQ(got.values, golden.bytes("image_out")) << golden.name();
    ++cases;
  }
  EXPECT_GE(cases, 60);
}

/// Hard edges overshoot, and each pass cuts off what does: the order of the passes shows.
TEST(Resample, GoesDownFirstWhereMoreThanTwiceAsManyRowsAreLost) {
  Pixels checks(40, 48, 1);
  for (std::size_t i = 0; i < checks.values.size(); ++i) checks.values[i] = (i / 3 + i / 40 / 5) % 2 == 0 ? 0 : 255;
  const auto resized = [](const Pixels& p, int width, int height) {
    return resample(p.view(), whole(p.view()), width, height, ResizeFilter::bicubic);
  };
  const auto across_first = [&](int width, int height) { return resized(resized(checks, width, 48), width, height).values; };
  const auto down_first = [&](int width, int height) { return resized(resized(checks, 40, height), width, height).values; };
  EXPECT_EQ(resized(checks, 35, 37).values, down_first(35, 37));
  EXPECT_NE(resized(checks, 35, 37).values, across_first(35, 37));
  EXPECT_EQ(resized(checks, 35, 38).values, across_first(35, 38));
  EXPECT_NE(resized(checks, 35, 38).values, down_first(35, 38));
}

TEST(Resample, FlatPicturesStayFlatAtEverySize) {
  const Image grey{7, 5, std::vector<std::uint8_t>(105, 93)};
  for (const auto filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::bicubic, ResizeFilter::lanczos})
    for (int width = 1; width < 30; ++width) {
      const Image out = resize(grey, width, 31 - width, filter);
      EXPECT_EQ(out.pixels, std::vector<std::uint8_t>(out.pixels.size(), 93)) << width;
    }
}

TEST(Resample, ResizeChecksWhatItIsGiven) {
  EXPECT_ERROR(resize(Image{2, 2, {1, 2, 3}}, 4, 4), invalid_argument, "3 bytes", "2 x 2");
  EXPECT_ERROR(resize(Image{1, 1, {1, 2, 3}}, 0, 4), invalid_argument, "0 x 4");
  EXPECT_ERROR(resize(Image{1, 1, {1, 2, 3}}, 4, 1 << 20), invalid_argument, "1048576");
}

}  // namespace
}  // namespace impasto::test
