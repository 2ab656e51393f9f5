#include "pipelines/to_image.h"

#include "backend/registry.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

TEST(ToImage, ClampsAndRoundsHalfToEven) {
  const std::vector<float> values{-1, 1, 0, -3, 3, 0.999f};
  const Image image = to_image(Tensor::from_host(backend_for("cpu"), {1, 1, 2, 3}, values.data()));
  EXPECT_EQ(image.width, 2);
  EXPECT_EQ(image.height, 1);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{0, 255, 128, 0, 255, 255}));
}

TEST(ToImage, OfPixelsThatAreAStridedViewIsRefused) {
  const Tensor wide = Tensor::empty(backend_for("cpu"), {1, 2, 2, 4});
  EXPECT_ERROR(to_image(wide.columns(0, 3)), internal, "contiguous");
}

TEST(ToImage, EqualsDiffusersPostprocessing) {
  for (const GoldenCase& golden : golden_cases("images")) {
    if (golden.name() != "images/postprocess") continue;
    EXPECT_EQ(to_image(map_of(golden, "tensor", backend_for("cpu"))).pixels, golden.bytes("image"));
  }
}

}  // namespace
}  // namespace impasto::test
