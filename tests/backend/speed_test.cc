// The kernels against plain loops doing the same work in the same process: a ratio so far from one that noise cannot turn it. It falls when a
// kernel loses its instructions, its blocks or its threads' balance.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::values;
using test::view;

class SpeedTest : public test::BackendTest {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    GTEST_SKIP() << "instrumented or unoptimised code has other ratios";
#endif
    if (isa() == "baseline") GTEST_SKIP() << "made for machines with AVX2 or more";
    set_num_threads(1);
  }

  /// How many times as long the reference backend takes, each at its best of a few turns.
  template <typename F>
  double ratio(const F& work) {
    return best(*reference, work, 2) / best(cpu, work, 8);
  }

 private:
  template <typename F>
  double best(Backend& backend, const F& work, int turns) {
    double least = INFINITY;
    for (int i = 0; i < turns; ++i) {
      const auto start = std::chrono::steady_clock::now();
      work(backend);
      least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return least;
  }
};

// On Zen 4 by AVX-512 and by AVX2, alone: 48 and 34; 459 and 340; 46 and 36.
TEST_F(SpeedTest, ProductsBeatPlainLoopsByFar) {
  auto x = values(256 * 320, 1), w = values(320 * 320, 2), out = values(256 * 320, 3);
  EXPECT_GT(ratio([&](Backend& b) { b.linear(view(x, {256, 320}), *b.pack_linear(view(w, {320, 320}), {}, false), {}, view(out, {256, 320})); }), 10);
}

TEST_F(SpeedTest, ConvolutionsBeatPlainLoopsByFar) {
  auto x = values(32 * 32 * 64, 1), w = values(64 * 64 * 9, 2), out = values(32 * 32 * 64, 3);
  EXPECT_GT(ratio([&](Backend& b) {
              b.conv2d(view(x, {1, 32, 32, 64}), *b.pack_conv2d(view(w, {64, 64, 3, 3}), {}, {}), {}, {}, view(out, {1, 32, 32, 64}));
            }),
            80);
}

TEST_F(SpeedTest, AttentionBeatsPlainLoopsByFar) {
  auto x = values(256 * 80, 1), out = values(256 * 80, 2);
  const TensorView tokens = view(x, {1, 256, 80});
  EXPECT_GT(ratio([&](Backend& b) { b.attention(tokens, tokens, tokens, 2, 0.1f, false, view(out, {1, 256, 80})); }), 10);
}

}  // namespace
}  // namespace impasto
