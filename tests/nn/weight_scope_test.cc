#include "nn/weight_scope.h"

#include <vector>

#include "backend/registry.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

class WeightScopeTest : public ::testing::Test {
 protected:
  std::vector<float> values_{1, 2, 3, 4, 5, 6};
  std::vector<std::int64_t> ids_{1, 2};
  std::shared_ptr<const WeightReader> reader_ =
      in_memory_weights({{"a.0.weight", TensorView(values_.data(), DType::float32, {2, 3, 1, 1})},
                         {"a.ids", TensorView(ids_.data(), DType::int64, {2})},
                         {"decoder.mid_block.attentions.0.query.weight", TensorView(values_.data(), DType::float32, {3, 2})}},
                        nullptr);
  WeightScope scope_{*reader_, backend_for("cpu")};
};

TEST_F(WeightScopeTest, NestsNamesAndTreatsTrailingOnesAsTheSameShape) {
  const WeightScope a = scope_ / "a" / 0;
  EXPECT_EQ(a.name(), "a.0");
  EXPECT_TRUE(a.has("weight"));
  EXPECT_FALSE(a.has("bias"));
  EXPECT_EQ(a.tensor("weight", {2, 3}).to_host(), values_);
}

TEST_F(WeightScopeTest, FindsPublishedNames) { EXPECT_TRUE((scope_ / "decoder.mid_block.attentions.0.to_q").has("weight")); }

TEST_F(WeightScopeTest, NamesTheTensorTheShapeExpectedAndTheShapeFound) {
  EXPECT_ERROR((scope_ / "a" / 0).stored("bias", {2}), bad_file, "a.0.bias", "[2]", "missing");
  EXPECT_ERROR((scope_ / "a" / 0).stored("weight", {3, 2}), bad_file, "a.0.weight", "[2, 3, 1, 1]", "[3, 2]");
  EXPECT_ERROR((scope_ / "a").stored("ids", {2}), unsupported, "a.ids", "int64");
}

}  // namespace
}  // namespace impasto::test
