// Normalisations against the plain loops of the reference backend, which sum in double.
#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::largest_difference;
using test::same_bits;
using test::values;
using test::view;

/// A case of group normalisation and its result from either backend.
struct GroupNorm {
  GroupNorm(const Shape& shape_, int groups_, float offset = 0.3f)
      : shape(shape_), groups(groups_), x(values(shape.count(), 1)), gamma(values(shape.back(), 2)), beta(values(shape.back(), 3)) {
    for (float& v : x) v += offset;
  }

  std::vector<float> affine(Backend& backend) {  // scale, then shift
    const Shape each{shape[0], shape.back()};
    std::vector<float> result(static_cast<std::size_t>(2 * each.count()));
    const TensorView scale(result.data(), DType::float32, each), shift(result.data() + each.count(), DType::float32, each);
    backend.group_norm_affine(view(x, shape), view(gamma, {shape.back()}), view(beta, {shape.back()}), groups, 1e-5f, scale, shift);
    return result;
  }

  Shape shape;
  int groups;
  std::vector<float> x, gamma, beta;
};

using NormTest = test::BackendTest;

TEST_F(NormTest, GroupNormEqualsTheFormula) {
  const std::vector<std::pair<Shape, int>> cases = {{{2, 8, 8, 32}, 32},  {{1, 5, 7, 12}, 3}, {{2, 16, 16, 320}, 32}, {{3, 127, 64}, 8},
                                                    {{1, 128, 64}, 8},    {{1, 129, 64}, 8},  {{1, 600, 17}, 1},      {{2, 1, 1, 960}, 32},
                                                    {{1, 64, 64, 65}, 5}, {{1, 3, 3, 6}, 2},  {{1, 2, 2, 2560}, 32}};
  for (const auto& [shape, groups] : cases) {
    GroupNorm norm(shape, groups);
    const auto expected = norm.affine(*reference);
    // Sums of 256 float32 terms at a time, then double: 256 eps of the variance at worst, about sqrt(256) eps = 1e-6 in fact; gamma is below 4.
    for_each_isa([&] { EXPECT_LT(largest_difference(norm.affine(cpu), expected), 1e-5f) << shape.to_string(); });
  }
}

TEST_F(NormTest, GroupNormIsSoundWhenTheMeanIsLarge) {
  // Mean 1000, deviation 1: a sum of squares less the squared mean would lose 1e6 * eps = 6 % of the variance. Here only x itself is rounded.
  GroupNorm norm({1, 64, 64, 32}, 8, 1000.0f);
  const auto expected = norm.affine(*reference);
  for_each_isa([&] {
    const auto got = norm.affine(cpu);
    for (std::size_t i = 0; i < 32; ++i) EXPECT_NEAR(got[i], expected[i], 2e-5f * std::abs(expected[i])) << i;
  });
}

TEST_F(NormTest, GroupNormOfAConstantIsItsShift) {
  GroupNorm norm({1, 200, 32}, 4, 0.0f);
  for (float& v : norm.x) v = 2.5f;
  const auto got = norm.affine(cpu);
  for (std::size_t c = 0; c < 32; ++c) EXPECT_NEAR(got[c] * 2.5f + got[32 + c], norm.beta[c], 1e-3f);  // |scale| up to 4 / sqrt(1e-5), rounded
}

TEST_F(NormTest, ThreadsAndBatchChangeNoBit) {
  GroupNorm batch({3, 40, 41, 64}, 32);
  set_num_threads(1);
  const auto alone = batch.affine(cpu);
  for (int threads : {2, 3}) {
    set_num_threads(threads);
    EXPECT_TRUE(same_bits(batch.affine(cpu), alone)) << threads;
  }
  GroupNorm second({1, 40, 41, 64}, 32);
  second.x.assign(batch.x.begin() + 40 * 41 * 64, batch.x.begin() + 2 * 40 * 41 * 64);
  const auto one = second.affine(cpu);
  EXPECT_TRUE(same_bits({one.begin(), one.begin() + 64}, {alone.begin() + 64, alone.begin() + 128}));
}

TEST_F(NormTest, ApplyAffineEqualsTheFormulaInPlaceToo) {
  for (std::int64_t c : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 320}) {
    for (Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu}) {
      const Shape shape{2, 3, 5, c};
      auto x = values(shape.count(), 1), scale = values(2 * c, 2), shift = values(2 * c, 3);
      std::vector<float> expected(x.size());
      reference->apply_affine(view(x, shape), view(scale, {2, c}), view(shift, {2, c}), activation, view(expected, shape));
      for_each_isa([&] {
        auto got = x;
        cpu.apply_affine(view(got, shape), view(scale, {2, c}), view(shift, {2, c}), activation, view(got, shape));
        EXPECT_LT(largest_difference(got, expected), 1e-5f) << c << " " << static_cast<int>(activation);  // |y| up to 20: 5 units in the last place
      });
    }
  }
}

TEST_F(NormTest, ApplyAffineSplitsRangesAtImages) {
  const Shape shape{3, 50, 70, 8};
  auto x = values(shape.count(), 1), scale = values(3 * 8, 2), shift = values(3 * 8, 3);
  std::vector<float> expected(x.size()), got(x.size());
  reference->apply_affine(view(x, shape), view(scale, {3, 8}), view(shift, {3, 8}), Activation::none, view(expected, shape));
  cpu.apply_affine(view(x, shape), view(scale, {3, 8}), view(shift, {3, 8}), Activation::none, view(got, shape));
  EXPECT_LT(largest_difference(got, expected), 1e-5f);
}

TEST_F(NormTest, GroupNormAtOnceEqualsItsTwoStepsInPlaceToo) {
  for (const auto& [shape, groups] : {std::pair<Shape, int>{{2, 8, 8, 32}, 32}, {{1, 5, 7, 12}, 3}, {{3, 127, 64}, 8}, {{1, 3, 3, 6}, 2}}) {
    for (Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu}) {
      GroupNorm norm(shape, groups);
      const std::int64_t c = shape.back();
      std::vector<float> expected(norm.x.size());
      reference->group_norm(view(norm.x, shape), view(norm.gamma, {c}), view(norm.beta, {c}), groups, 1e-5f, activation, view(expected, shape));
      for_each_isa([&] {
        auto affine = norm.affine(cpu), steps = norm.x, got = norm.x;
        const Shape each{shape[0], c};
        const TensorView scale(affine.data(), DType::float32, each), shift(affine.data() + each.count(), DType::float32, each);
        cpu.apply_affine(view(norm.x, shape), scale, shift, activation, view(steps, shape));
        cpu.group_norm(view(got, shape), view(norm.gamma, {c}), view(norm.beta, {c}), groups, 1e-5f, activation, view(got, shape));
        EXPECT_TRUE(same_bits(got, steps));
        EXPECT_LT(largest_difference(got, expected), 5e-5f) << shape.to_string() << " " << static_cast<int>(activation);
      });
    }
  }
}

TEST_F(NormTest, LayerNormEqualsTheFormulaInPlaceToo) {
  for (std::int64_t c : {1, 2, 3, 5, 8, 15, 16, 17, 32, 63, 64, 65, 127, 129, 320, 768, 1280}) {
    const Shape shape{2, 21, c};
    auto x = values(shape.count(), 1, 3.0f), gamma = values(c, 2), beta = values(c, 3);
    std::vector<float> expected(x.size());
    reference->layer_norm(view(x, shape), view(gamma, {c}), view(beta, {c}), 1e-5f, view(expected, shape));
    for_each_isa([&] {
      auto got = x;
      cpu.layer_norm(view(got, shape), view(gamma, {c}), view(beta, {c}), 1e-5f, view(got, shape));
      // Rows of two or three values have deviations far below the values, so the rounding of the mean counts: eps |x| / deviation.
      EXPECT_LT(largest_difference(got, expected), c < 8 ? 1e-3f : 2e-5f) << c;
    });
  }
}

TEST_F(NormTest, LayerNormIsSoundWhenTheMeanIsLarge) {
  const Shape shape{10, 320};
  auto x = values(shape.count(), 1), gamma = values(320, 2), beta = values(320, 3);
  for (float& v : x) v += 1000.0f;
  std::vector<float> expected(x.size()), got(x.size());
  reference->layer_norm(view(x, shape), view(gamma, {320}), view(beta, {320}), 1e-5f, view(expected, shape));
  for_each_isa([&] {
    cpu.layer_norm(view(x, shape), view(gamma, {320}), view(beta, {320}), 1e-5f, view(got, shape));
    EXPECT_LT(largest_difference(got, expected), 1e-3f);  // the mean is rounded to 3e-5, times gamma up to 4
  });
}

TEST_F(NormTest, NotANumberStaysInItsGroupAndRow) {
  GroupNorm norm({1, 50, 32}, 4);
  norm.x[5 * 32 + 9] = NAN;  // group 1: channels 8 to 15
  for_each_isa([&] {
    const auto got = norm.affine(cpu);
    for (std::size_t c = 0; c < 32; ++c) EXPECT_EQ(std::isnan(got[c]), c / 8 == 1) << c;
  });
}

}  // namespace
}  // namespace impasto
