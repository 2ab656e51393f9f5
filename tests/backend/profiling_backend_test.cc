// Costs that are added up around a backend's calls.
#include "backend/profiling_backend.h"

#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::values;
using test::view;

class ProfilingBackendTest : public test::BackendTest {
 protected:
  const OpCost& cost(OpFamily family) const { return costs_[static_cast<std::size_t>(family)]; }

  ProfilingBackend profiling_{cpu};
  OpCosts costs_;
};

TEST_F(ProfilingBackendTest, CountsTheMultiplyAddsOfProducts) {
  auto x = values(2 * 6 * 5 * 8, 1), w = values(12 * 8 * 9, 2), out = values(2 * 6 * 5 * 12, 3);
  const auto linear = profiling_.pack_linear(view(w, {12, 8}), {}, /*gated=*/true);
  profiling_.linear(view(x, {60, 8}), *linear, {}, view(out, {60, 6}));
  const ConvGeometry geometry{.stride = 2};
  const auto conv = profiling_.pack_conv2d(view(w, {12, 8, 3, 3}), {}, geometry);
  profiling_.conv2d(view(x, {2, 6, 5, 8}), *conv, {}, {}, view(out, {2, 3, 3, 12}));
  profiling_.attention(view(x, {2, 6, 8}), view(w, {2, 7, 8}), view(w, {2, 7, 8}), 2, 1.0f, /*causal=*/false, view(out, {2, 6, 8}));
  costs_ = profiling_.take();
  EXPECT_DOUBLE_EQ(cost(OpFamily::linear).gflop, 2e-9 * 60 * 12 * 8) << "values and gates";
  EXPECT_DOUBLE_EQ(cost(OpFamily::convolution).gflop, 2e-9 * 2 * 3 * 3 * 12 * 8 * 9);
  EXPECT_DOUBLE_EQ(cost(OpFamily::attention).gflop, 2e-9 * 2 * (2 * 6 * 7 * 8)) << "scores and sums of values";
  for (OpFamily f : {OpFamily::linear, OpFamily::convolution, OpFamily::attention}) EXPECT_GT(cost(f).seconds, 0);
  EXPECT_EQ(cost(OpFamily::norm).seconds, 0);
}

TEST_F(ProfilingBackendTest, GivesTheInnerBackendsResults) {
  auto x = values(30 * 8, 1), w = values(12 * 8, 2);
  std::vector<float> direct(30 * 12), through(30 * 12);
  cpu.linear(view(x, {30, 8}), *cpu.pack_linear(view(w, {12, 8}), {}, false), {}, view(direct, {30, 12}));
  profiling_.linear(view(x, {30, 8}), *profiling_.pack_linear(view(w, {12, 8}), {}, false), {}, view(through, {30, 12}));
  EXPECT_TRUE(test::same_bits(direct, through));
}

TEST_F(ProfilingBackendTest, PassesNormsAndPixelsOn) {
  auto x = values(2 * 6 * 8, 1), gamma = values(8, 2), beta = values(8, 3);
  std::vector<float> direct(x.size()), through(x.size());
  const Shape shape{2, 6, 8};
  cpu.group_norm(view(x, shape), view(gamma, {8}), view(beta, {8}), 2, 1e-5f, Activation::silu, view(direct, shape));
  profiling_.group_norm(view(x, shape), view(gamma, {8}), view(beta, {8}), 2, 1e-5f, Activation::silu, view(through, shape));
  EXPECT_TRUE(test::same_bits(direct, through));
  costs_ = profiling_.take();
  EXPECT_GT(cost(OpFamily::norm).seconds, 0);
  std::vector<std::uint8_t> direct_bytes(x.size()), through_bytes(x.size());
  cpu.to_bytes(view(x, shape), {direct_bytes.data(), DType::uint8, shape});
  profiling_.to_bytes(view(x, shape), {through_bytes.data(), DType::uint8, shape});
  EXPECT_EQ(direct_bytes, through_bytes);
  costs_ = profiling_.take();
  EXPECT_GT(cost(OpFamily::other).seconds, 0);
}

TEST_F(ProfilingBackendTest, StartsAnewAfterTake) {
  auto x = values(30, 1);
  profiling_.activate(view(x, {30}), Activation::silu, view(x, {30}));
  costs_ = profiling_.take();
  EXPECT_GT(cost(OpFamily::other).seconds, 0);
  costs_ = profiling_.take();
  EXPECT_EQ(cost(OpFamily::other).seconds, 0);
}

/// A device with a type of its own for networks that leave its usual one's range.
class Narrow : public ProfilingBackend {
 public:
  explicit Narrow(Backend& wide) : ProfilingBackend(wide), wide_(wide) {}
  Backend& with_wide_range() override { return wide_; }

 private:
  Backend& wide_;
};

TEST_F(ProfilingBackendTest, CountsWhatRunsInTheWideRange) {
  EXPECT_EQ(&profiling_.with_wide_range(), &profiling_) << "which is wide";
  Narrow narrow(cpu);
  ProfilingBackend profiling(static_cast<Backend&>(narrow));
  Backend& wide = profiling.with_wide_range();
  EXPECT_NE(&wide, &profiling);
  EXPECT_EQ(&wide, &profiling.with_wide_range());
  auto x = values(30 * 8, 1), w = values(12 * 8, 2), out = values(30 * 12, 3);
  const auto run = [&](Backend& backend) {
    backend.linear(view(x, {30, 8}), *backend.pack_linear(view(w, {12, 8}), {}, false), {}, view(out, {30, 12}));
  };
  run(wide), run(profiling);
  costs_ = profiling.take();
  EXPECT_DOUBLE_EQ(cost(OpFamily::linear).gflop, 2 * 2e-9 * 30 * 12 * 8) << "once in each";
  profiling.count(false);
  run(wide);
  costs_ = profiling.take();
  EXPECT_EQ(cost(OpFamily::linear).gflop, 0);
}

TEST_F(ProfilingBackendTest, PeakIsAboveWhatAProductReaches) {
  for_each_isa([&] {
    set_num_threads(1);
    auto x = values(480 * 480, 1), w = values(480 * 480, 2), out = values(480 * 480, 3);
    const auto packed = profiling_.pack_linear(view(w, {480, 480}), {}, false);
    profiling_.take();
    double best = 0;
    for (int i = 0; i < 3; ++i) {
      profiling_.linear(view(x, {480, 480}), *packed, {}, view(out, {480, 480}));
      costs_ = profiling_.take();
      best = std::max(best, cost(OpFamily::linear).gflop / cost(OpFamily::linear).seconds);
    }
    // Half: a busy machine may have slowed every turn of the loop, and the product less.
    EXPECT_GT(profiling_.measure_peak_gflops(DType::float32), 0.5 * best);
  });
}

}  // namespace
}  // namespace impasto
