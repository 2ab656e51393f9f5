#include "ops/tensor.h"

#include "backend/registry.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

const std::vector<float> kValues{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

Tensor counting(const Shape& shape) { return Tensor::from_host(backend_for("cpu"), shape, kValues.data()); }

TEST(Tensor, SlicesImagesWithoutCopying) {
  const Tensor t = counting({3, 2, 2});
  EXPECT_EQ(t.slice(1, 2).to_host(), (std::vector<float>{4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(t.slice(1, 1).view().data, t.view().as<float>() + 4);
}

TEST(Tensor, TakesColumnsAsAStridedView) {
  const Tensor c = counting({3, 4}).columns(1, 2);
  EXPECT_EQ(c.shape(), (Shape{3, 2}));
  EXPECT_FALSE(c.view().contiguous());
  EXPECT_EQ(c.view().row(2)[1], 10);
}

TEST(Tensor, CloneIsApartFromItsSource) {
  const Tensor t = counting({12}), copy = t.clone();
  copy.view().as<float>()[0] = 99;
  EXPECT_EQ(t.to_host(), kValues);
}

TEST(Tensor, RefusesAReshapeToAnotherSize) {
  EXPECT_EQ(counting({3, 4}).reshape({2, 6}).dim(1), 6);
  EXPECT_ERROR(counting({3, 4}).reshape({2, 5}), internal, "check failed");
  EXPECT_ERROR(counting({3, 4}).slice(2, 2), internal, "check failed");
  EXPECT_ERROR(counting({3, 4}).columns(3, 2), internal, "check failed");
}

TEST(BackendRegistry, ListsDevicesWhenItRefuses) { EXPECT_ERROR(backend_for("tpu"), unsupported, "tpu", "cpu"); }

}  // namespace
}  // namespace impasto::test
