#include "pipelines/guidance.h"

#include <cmath>

#include "backend/registry.h"
#include "ops/ops.h"
#include "support/golden.h"

namespace impasto::test {
namespace {

TEST(Guidance, LeadsAwayFromTheNegativeHalf) {
  const std::vector<float> values{1, 2, /*positive:*/ 3, 1};
  const Tensor both = Tensor::from_host(backend_for("cpu"), {2, 1, 1, 2}, values.data());
  EXPECT_EQ(guide(both, 7.5f, 0).to_host(), (std::vector<float>{16, -5.5f}));
}

TEST(Guidance, RescaleOfOneGivesEachImageThePositiveSpread) {
  const std::vector<float> values{0, 1, 2, 3, 5, 5, 6, 9, /*positive:*/ 1, 3, 2, 8, 0, 0.5f, 0.25f, 1};
  const Tensor both = Tensor::from_host(backend_for("cpu"), {4, 1, 2, 2}, values.data());
  const Tensor guided = guide(both, 5, 1);
  const std::vector<float> wanted = ops::standard_deviation(both.slice(2, 2)), got = ops::standard_deviation(guided);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(got[i], wanted[i], 1e-5f * wanted[i]);
}

}  // namespace
}  // namespace impasto::test
