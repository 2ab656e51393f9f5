// Blocked attention against the plain loops of the reference backend.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::largest_difference;
using test::same_bits;
using test::values;

struct Sizes {
  std::int64_t images, tq, tk, heads, d;
  bool causal = false;
};

std::string to_string(const Sizes& s) {
  std::string text;
  for (std::int64_t n : {s.images, s.tq, s.tk, s.heads, s.d}) text += std::to_string(n) + " ";
  return text + (s.causal ? "causal" : "");
}

/// q, k and v as columns of one product when there is one row per query and key, as in self-attention; out with columns to spare.
class Problem {
 public:
  Problem(const Sizes& sizes, float spread = 1.0f) : s(sizes), width(s.heads * s.d) {
    if (s.tq == s.tk) {
      memory = values(s.images * s.tq * width * 3, 1, spread);
      q = view(0, s.tq, 3 * width), k = view(width, s.tk, 3 * width), v = view(2 * width, s.tk, 3 * width);
    } else {
      memory = values(s.images * (s.tq * width + s.tk * 2 * width), 1, spread);
      q = view(0, s.tq, width);
      k = view(s.images * s.tq * width, s.tk, 2 * width), v = view(s.images * s.tq * width + width, s.tk, 2 * width);
    }
  }

  std::vector<float> run(Backend& backend, float scale = 0) const {
    const std::int64_t stride = width + 3;
    std::vector<float> out(static_cast<std::size_t>(s.images * s.tq * stride), 777.0f);
    const TensorView view(out.data(), DType::float32, {s.images, s.tq, width}, stride);
    backend.attention(q, k, v, static_cast<int>(s.heads), scale != 0 ? scale : 1.0f / std::sqrt(static_cast<float>(s.d)), s.causal, view);
    return out;
  }

  TensorView view(std::int64_t offset, std::int64_t tokens, std::int64_t stride) {
    return {memory.data() + offset, DType::float32, {s.images, tokens, width}, stride};
  }

  Sizes s;
  std::int64_t width;
  std::vector<float> memory;
  TensorView q, k, v;
};

/// A float32 score of d products, each of error eps, is off by about sqrt(d) eps |q||k| scale; with values of spread 1 that is |S| eps, and a
/// weight is off by as much of itself. Outputs are means of values up to 4: 1e-5 is about 4 times the largest seen.
constexpr float kTolerance = 1e-5f;

using AttentionTest = test::BackendTest;

TEST_F(AttentionTest, EqualsTheFormulaAtEverySizeAndIsa) {
  std::vector<Sizes> all = {{2, 64, 77, 8, 40},  {1, 300, 300, 2, 40}, {1, 33, 520, 1, 64}, {1, 100, 257, 2, 80},
                            {1, 64, 64, 2, 160}, {1, 50, 70, 1, 512},  {1, 1000, 16, 1, 8}};
  for (std::int64_t d : {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 47, 63, 65}) all.push_back({1, 19, 21, 2, d});
  for (std::int64_t tq : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 97, 769}) all.push_back({1, tq, 13, 1, 4});
  for (std::int64_t tk : {1, 2, 3, 7, 8, 9, 15, 16, 17, 255, 256, 257, 263, 512, 513}) all.push_back({1, 5, tk, 1, 4});
  for (const Sizes& s : all) {
    const Problem problem(s);
    const auto expected = problem.run(*reference);
    for_each_isa([&] { EXPECT_LT(largest_difference(problem.run(cpu), expected), kTolerance) << to_string(s); });
  }
}

// Everything but the weights of the values is exact here: factors are bfloat16 already, and Q is scaled by 1 in powers of 2. A weight is off by
// 2^-9 of itself, so an output by 2^-9 of the largest value.
TEST_F(AttentionTest, InBfloat16RoundsFactorsAndWeightsAndNothingElse) {
  constexpr float kScale = 0.693147182f;
  ASSERT_EQ(kScale * 1.44269504f, 1.0f);
  CpuBackend bfloat16(DType::bfloat16);
  std::vector<Sizes> all = {
      {2, 64, 77, 8, 40}, {1, 300, 300, 2, 40}, {1, 33, 520, 1, 64}, {1, 50, 70, 1, 160}, {2, 300, 300, 1, 24, /*causal=*/true}};
  for (std::int64_t d : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33}) all.push_back({1, 19, 21, 2, d});
  for (std::int64_t tk : {1, 2, 3, 7, 8, 9, 255, 256, 257, 513}) all.push_back({1, 5, tk, 1, 12});
  for (const Sizes& s : all) {
    Problem problem(s, 1 / std::sqrt(std::sqrt(static_cast<float>(s.d))));
    float largest = 0;
    for (float& x : problem.memory) largest = std::max(largest, std::abs(x = bfloat16_to_float32(float32_to_bfloat16(x))));
    const auto expected = problem.run(*reference, kScale);
    for_each_isa([&] { EXPECT_LT(largest_difference(problem.run(bfloat16, kScale), expected), largest * 0x1p-9f + kTolerance) << to_string(s); });
  }
}

TEST_F(AttentionTest, CausalSeesNoLaterKey) {
  for (std::int64_t t : {1, 2, 16, 17, 47, 48, 49, 77, 256, 257, 300, 600}) {
    const Problem problem({2, t, t, 2, 16, /*causal=*/true});
    const auto expected = problem.run(*reference);
    for_each_isa([&] { EXPECT_LT(largest_difference(problem.run(cpu), expected), kTolerance) << to_string(problem.s); });
  }
}

TEST_F(AttentionTest, ThreadsChangeNoBit) {
  for (const Sizes& s : {Sizes{1, 1000, 1000, 1, 40}, Sizes{2, 200, 77, 8, 40}, Sizes{1, 300, 300, 3, 16, true}}) {
    const Problem problem(s);
    set_num_threads(1);
    const auto alone = problem.run(cpu);
    for (int threads : {2, 3, 7}) {
      set_num_threads(threads);
      EXPECT_TRUE(same_bits(problem.run(cpu), alone)) << to_string(s) << " threads " << threads;
    }
  }
}

TEST_F(AttentionTest, ImageOfABatchEqualsTheImageAlone) {
  Problem batch({3, 130, 270, 2, 40});
  const auto together = batch.run(cpu);
  for (std::int64_t n = 0; n < 3; ++n) {
    Problem one({1, 130, 270, 2, 40});
    const auto take = [n](const TensorView& v) { return TensorView(v.row(n * v.shape[1]), v.dtype, {1, v.shape[1], v.shape[2]}, v.row_stride); };
    one.q = take(batch.q), one.k = take(batch.k), one.v = take(batch.v);
    const auto alone = one.run(cpu);
    const auto first = together.begin() + n * static_cast<std::int64_t>(alone.size());
    EXPECT_TRUE(same_bits(alone, {first, first + static_cast<std::int64_t>(alone.size())})) << n;
  }
}

TEST_F(AttentionTest, LeavesColumnsBesideItsOutputAlone) {
  const Problem problem({1, 20, 30, 1, 5});
  const auto out = problem.run(cpu);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i % 8 >= 5) {
      EXPECT_EQ(out[i], 777.0f) << i;
    }
  }
}

TEST_F(AttentionTest, HoldsForScoresThatWouldOverflowAnExponential) {
  // Scores near +-2000: the softmax is all but a choice of one key, and the maximum grows from block to block.
  const Problem problem({1, 40, 600, 1, 16}, 10.0f);
  const auto expected = problem.run(*reference, 5.0f);
  const auto got = problem.run(cpu, 5.0f);
  // Scores of 2000 carry errors of 2000 * 2e-7 * sqrt(16) / 2: weights are off by 1e-3 of themselves, values are up to 30.
  EXPECT_LT(largest_difference(got, expected), 3e-2f);
}

TEST_F(AttentionTest, EqualScoresGiveTheMean) {
  Problem problem({1, 3, 513, 1, 4});
  for (std::int64_t i = 0; i < 3 * 4; ++i) problem.q.as<float>()[i] = 0;
  const auto out = problem.run(cpu);
  for (std::int64_t c = 0; c < 4; ++c) {
    double mean = 0;
    for (std::int64_t j = 0; j < 513; ++j) mean += problem.v.row(j)[c];
    EXPECT_NEAR(out[static_cast<std::size_t>(c)], mean / 513, 1e-6);
  }
}

TEST_F(AttentionTest, NotANumberInAQueryReachesItsOutputOnly) {
  Problem problem({1, 40, 300, 1, 8});
  problem.q.row(17)[3] = std::numeric_limits<float>::quiet_NaN();
  for_each_isa([&] {
    const auto out = problem.run(cpu);
    for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(out[i * 11 + 2]), i == 17) << i;
  });
}

TEST_F(AttentionTest, NotANumberInAKeyReachesEveryOutput) {
  for (std::int64_t bad : {0, 5, 255, 256, 299}) {
    Problem problem({1, 40, 300, 1, 8});
    problem.k.row(bad)[3] = std::numeric_limits<float>::quiet_NaN();
    for_each_isa([&] {
      const auto out = problem.run(cpu);
      int reached = 0;
      for (std::size_t i = 0; i < 40; ++i) reached += std::isnan(out[i * 11 + 2]) ? 1 : 0;
      EXPECT_EQ(reached, 40) << "key " << bad;
    });
  }
}

TEST_F(AttentionTest, AllocatesNothingTheSecondTime) {
  const Problem problem({1, 700, 700, 2, 40});
  problem.run(cpu);
  const auto before = cpu.pool().system_allocations();
  problem.run(cpu);
  EXPECT_EQ(cpu.pool().system_allocations(), before);
}

}  // namespace
}  // namespace impasto
