#include "ops/ops.h"

#include "backend/registry.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

Tensor make(const Shape& shape, const std::vector<float>& values) { return Tensor::from_host(backend_for("cpu"), shape, values.data()); }

TEST(Ops, CombineRoundsEachProductThenAddsInOrder) {
  const Tensor a = make({2, 1}, {1, 2}), b = make({2, 1}, {10, 20});
  EXPECT_EQ(ops::combine({{1, a}, {-0.5, b}}).to_host(), (std::vector<float>{-4, -8}));
  const Tensor x = make({1}, {1.0f + 0x1p-23f}), y = make({1}, {-1});
  // (1 + e)^2 rounded is 1 + 2e; a fused multiply-add would keep e^2.
  EXPECT_EQ(ops::combine({{1.0 + 0x1p-23, x}, {1, y}}).to_host()[0], 0x1p-22f);
}

TEST(Ops, ConcatJoinsColumnsOrImages) {
  const Tensor a = make({2, 1}, {1, 2}), b = make({2, 2}, {3, 4, 5, 6});
  EXPECT_EQ(ops::concat_columns(a, b).to_host(), (std::vector<float>{1, 3, 4, 2, 5, 6}));
  EXPECT_EQ(ops::concat_images(b, b).to_host(), (std::vector<float>{3, 4, 5, 6, 3, 4, 5, 6}));
}

TEST(Ops, ScaleTileAndRepeatImages) {
  const Tensor x = make({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(ops::scale_images(x, std::vector<float>{2, -1}).to_host(), (std::vector<float>{2, 4, -3, -4}));
  EXPECT_EQ(ops::tile_images(x, 4).to_host(), (std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4}));
  EXPECT_EQ(ops::tile_images(x, 2).view().data, x.view().data);
  EXPECT_EQ(ops::repeat_images(x, 2).to_host(), (std::vector<float>{1, 2, 1, 2, 3, 4, 3, 4}));
}

TEST(Ops, RefuseShapesThatDoNotAgree) {
  const Tensor a = make({2, 1}, {1, 2}), b = make({2, 2}, {3, 4, 5, 6}), q = make({1, 2, 2}, {1, 2, 3, 4});
  EXPECT_ERROR(ops::add(a, b), internal, "check failed");
  EXPECT_ERROR(ops::combine({{1, a}, {1, b}}), internal, "check failed");
  EXPECT_ERROR(ops::attention(q, q, q, /*heads=*/3), internal, "check failed");
  EXPECT_ERROR(ops::scale_images(b, std::vector<float>{1}), internal, "check failed");
}

TEST(Ops, KnowFiniteFromNot) {
  EXPECT_TRUE(ops::is_finite(make({3}, {0, 1, -1e38f})));
  EXPECT_FALSE(ops::is_finite(make({3}, {0, 1, std::numeric_limits<float>::infinity()})));
  EXPECT_FALSE(ops::is_finite(make({3}, {std::numeric_limits<float>::quiet_NaN(), 1, 0})));
}

}  // namespace
}  // namespace impasto::test
