#include "core/rng.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "support/golden.h"

namespace impasto {
namespace {

using test::golden_cases;
using test::GoldenCase;

// Seeds are written as signed numbers; torch takes their 64 bits.
std::uint64_t seed_of(const GoldenCase& c) {
  const Json& seed = c.settings().at("seed");
  return seed.is_number_unsigned() ? seed.get<std::uint64_t>() : static_cast<std::uint64_t>(seed.get<std::int64_t>());
}

std::int64_t count_of(const Json& dims) { return Shape(dims.get<std::vector<std::int64_t>>()).count(); }

void expect_float64_draw(const GoldenCase& c, const std::string& tensor, TorchGenerator& generator, std::int64_t count) {
  std::vector<double> got(static_cast<std::size_t>(count));
  generator.randn(got.data(), count);
  const double* expected = c.view(tensor).as<double>();
  for (std::int64_t i = 0; i < count; ++i)
    ASSERT_NEAR(got[static_cast<std::size_t>(i)], expected[i], c.tolerance(tensor)) << c.name() << "/" << tensor << " at " << i;
}

// 16-bit draws are float32 numbers rounded afterwards, which their tolerance covers.
void expect_draw(const GoldenCase& c, const std::string& tensor, TorchGenerator& generator, std::int64_t count) {
  if (c.settings().at("dtype") == "float64") return expect_float64_draw(c, tensor, generator, count);
  std::vector<float> got(static_cast<std::size_t>(count));
  if (c.settings().at("dtype") == "float32") {
    generator.randn(got.data(), count);
  } else {
    generator.randn_16bit(got.data(), count);
  }
  EXPECT_TRUE(c.matches(tensor, got.data(), count));
}

TEST(TorchGenerator, NormalDrawsEqualTorch) {
  int checked = 0;
  for (const GoldenCase& c : golden_cases("noise")) {
    if (!c.settings().contains("draws")) continue;
    TorchGenerator generator(seed_of(c));
    int i = 0;
    for (const Json& dims : c.settings().at("draws")) expect_draw(c, concat("draw_", i++), generator, count_of(dims));
    ++checked;
  }
  EXPECT_GT(checked, 0) << "no golden noise: is tests/data there?";
}

TEST(TorchGenerator, UniformAndIntegerDrawsEqualTorch) {
  for (const GoldenCase& c : golden_cases("noise")) {
    if (!c.has("rand_7")) continue;
    TorchGenerator generator(seed_of(c));
    float few[7], more[20], normal[3];
    std::int64_t integers[9];
    generator.rand(few, 7);
    generator.rand(more, 20);
    generator.randint(1000, integers, 9);
    generator.randn(normal, 3);
    const std::vector<float> expected_few = c.floats("rand_7"), expected_more = c.floats("rand_20"), expected_normal = c.floats("randn_3");
    for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(few[i], expected_few[i]);
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(more[i], expected_more[i]);
    for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(integers[i], c.view("randint_9").as<std::int64_t>()[i]);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(normal[i], expected_normal[i], 2e-6);
  }
}

// Numbers printed by torch 2.15 for manual_seed(9).
TEST(TorchGenerator, WideIntegerRangesTake64Bits) {
  TorchGenerator generator(9);
  std::int64_t wide[3], edge[2], narrow[2];
  generator.randint(std::int64_t{1} << 31, wide, 3);
  generator.randint(std::int64_t{1} << 28, edge, 2);
  generator.randint((std::int64_t{1} << 28) - 1, narrow, 2);
  EXPECT_EQ(std::vector<std::int64_t>(wide, wide + 3), (std::vector<std::int64_t>{1565348188, 2143748597, 32397368}));
  EXPECT_EQ(std::vector<std::int64_t>(edge, edge + 2), (std::vector<std::int64_t>{15995798, 57217601}));
  EXPECT_EQ(std::vector<std::int64_t>(narrow, narrow + 2), (std::vector<std::int64_t>{133395993, 9540034}));
}

// Numbers printed by torch 2.15 for manual_seed(0): 17 values draw the last block of 16 anew.
TEST(TorchGenerator, FewAndManyValuesTakeDifferentPaths) {
  const float few[] = {1.540996075f, -0.293428898f, -2.178789377f, 0.568431258f};
  const float many[] = {-1.125839829f, -1.695931196f, 0.566650629f, 0.793508351f,  0.598839462f,  -1.555095077f,
                        -0.341360390f, 1.853006124f,  0.468096405f, -0.585497558f, -0.173396751f, 0.183477938f,
                        1.389366150f,  1.586334229f,  0.946298361f, -0.843676746f, 0.931826591f};
  std::vector<float> got(17);
  TorchGenerator(0).randn(got.data(), 4);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], few[i], 2e-6);
  TorchGenerator(0).randn(got.data(), 17);
  for (std::size_t i = 0; i < 17; ++i) EXPECT_NEAR(got[i], many[i], 2e-6);
}

TEST(TorchGenerator, SeedsCountModuloTwoToThe32) {
  float a[20], b[20], c[20];
  TorchGenerator(1).randn(a, 20);
  TorchGenerator((std::uint64_t{1} << 32) + 1).randn(b, 20);
  TorchGenerator(2).randn(c, 20);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(a[i], b[i]);
  EXPECT_NE(a[0], c[0]);
}

TEST(TorchGenerator, MovedGeneratorGoesOn) {
  TorchGenerator one(3), other(3);
  float a[5], b[5];
  one.randn(a, 1);
  TorchGenerator moved = std::move(one);
  moved.randn(a + 1, 4);
  other.randn(b, 1);
  other.randn(b + 1, 4);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a[i], b[i]);
}

TEST(TorchGenerator, EmptyDrawsLeaveItAlone) {
  TorchGenerator drawn(3), fresh(3);
  float a = 0, b = 0;
  drawn.randn(&a, 0);
  drawn.rand(&a, 0);
  drawn.randn(&a, 1);
  fresh.randn(&b, 1);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace impasto
