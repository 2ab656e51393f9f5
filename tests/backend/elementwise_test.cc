// Elementwise operations against the reference backend's plain loops: exactly where no function is approximated.
#include <algorithm>
#include <limits>

#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::largest_difference;
using test::same_bits;
using test::values;
using test::view;

const std::vector<std::int64_t> kCounts = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 1000, 16384, 16385, 40001};

using ElementwiseTest = test::BackendTest;

TEST_F(ElementwiseTest, ActivationsEqualTheFormula) {
  for (std::int64_t n : kCounts) {
    for (Activation activation : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu}) {
      auto x = values(n, 1, 4.0f);
      std::vector<float> expected(x.size());
      reference->activate(view(x, {n}), activation, view(expected, {n}));
      for_each_isa([&] {
        auto got = x;
        cpu.activate(view(got, {n}), activation, view(got, {n}));
        EXPECT_LT(largest_difference(got, expected), 3e-6f) << n << " " << static_cast<int>(activation);  // |y| up to 14: 3 units in the last place
      });
    }
  }
}

TEST_F(ElementwiseTest, ActivationsHoldAtTheEndsOfTheRange) {
  for (Activation activation : {Activation::silu, Activation::gelu, Activation::quick_gelu}) {
    for_each_isa([&] {
      std::vector<float> x = {100.0f, 1e30f, 3e38f, -0.0f, 0.0f, 1e-30f, std::numeric_limits<float>::infinity(), NAN}, y(x.size());
      cpu.activate(view(x, {8}), activation, view(y, {8}));
      for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(y[i], x[i], x[i] * 2e-7f);
      EXPECT_EQ(y[3], 0.0f);
      EXPECT_EQ(y[4], 0.0f);
      EXPECT_NEAR(y[5], 5e-31f, 1e-36f);
      EXPECT_EQ(y[6], x[6]);
      EXPECT_TRUE(std::isnan(y[7]));
      x = {-100.0f, -1e30f, -3e38f};
      cpu.activate(view(x, {3}), activation, view(y, {3}));
      for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(y[i], 0.0f) << x[i];
    });
  }
}

TEST_F(ElementwiseTest, AddEqualsTheFormulaInPlaceToo) {
  for (std::int64_t n : kCounts) {
    auto a = values(n, 1), b = values(n, 2);
    std::vector<float> expected(a.size());
    reference->add(view(a, {n}), view(b, {n}), view(expected, {n}));
    for_each_isa([&] {
      auto out = b;
      cpu.add(view(a, {n}), view(out, {n}), view(out, {n}));
      EXPECT_TRUE(same_bits(out, expected)) << n;
    });
  }
}

TEST_F(ElementwiseTest, CombineRoundsEachProduct) {
  for (std::int64_t n : {0, 1, 3, 8, 15, 16, 17, 40, 20001}) {
    for (std::size_t terms = 1; terms <= 8; ++terms) {
      std::vector<std::vector<float>> data;
      std::vector<TensorView> views;
      for (std::size_t t = 0; t < terms; ++t) data.push_back(values(n, static_cast<std::uint32_t>(t + 1)));
      for (auto& d : data) views.push_back(view(d, {n}));
      const auto coefficients = values(static_cast<std::int64_t>(terms), 99);
      std::vector<float> expected(static_cast<std::size_t>(n)), got(expected.size());
      reference->combine(coefficients, views, view(expected, {n}));
      for_each_isa([&] {
        cpu.combine(coefficients, views, view(got, {n}));
        EXPECT_TRUE(same_bits(got, expected)) << n << " values, " << terms << " terms";
      });
      cpu.combine(coefficients, views, views.back());
      EXPECT_TRUE(same_bits(data.back(), expected)) << "in place";
    }
  }
}

TEST_F(ElementwiseTest, ClampKeepsNotANumber) {
  for (std::int64_t n : kCounts) {
    auto x = values(n, 1);
    std::vector<float> expected(x.size()), got(x.size());
    reference->clamp(view(x, {n}), -0.5f, 0.7f, view(expected, {n}));
    for_each_isa([&] {
      cpu.clamp(view(x, {n}), -0.5f, 0.7f, view(got, {n}));
      EXPECT_TRUE(same_bits(got, expected)) << n;
    });
  }
  for_each_isa([&] {
    std::vector<float> x(19, NAN);
    cpu.clamp(view(x, {19}), -1.0f, 1.0f, view(x, {19}));
    for (float v : x) EXPECT_TRUE(std::isnan(v));
  });
}

TEST_F(ElementwiseTest, ConcatColumnsTakesAndGivesStridedViews) {
  for (std::int64_t a = 1; a < 20; a += 3) {
    for (std::int64_t b = 1; b < 20; b += 4) {
      constexpr std::int64_t kRows = 11;
      auto left = values(kRows * (a + 2), 1), right = values(kRows * (b + 5), 2);
      const TensorView l(left.data(), DType::float32, {1, kRows, a}, a + 2), r(right.data(), DType::float32, {1, kRows, b}, b + 5);
      std::vector<float> expected(static_cast<std::size_t>(kRows * (a + b + 1)), 777.0f), got = expected;
      reference->concat_columns(l, r, {expected.data(), DType::float32, {1, kRows, a + b}, a + b + 1});
      cpu.concat_columns(l, r, {got.data(), DType::float32, {1, kRows, a + b}, a + b + 1});
      EXPECT_TRUE(same_bits(got, expected)) << a << " " << b;
    }
  }
}

TEST_F(ElementwiseTest, EmbedTakesRowsOfEveryStoredType) {
  constexpr std::int64_t kWidth = 37;
  std::vector<std::uint32_t> bits(25 * kWidth);
  for (std::size_t i = 0; i < bits.size(); ++i)
    bits[i] = 0x3C003C00u + (static_cast<std::uint32_t>(i * 2654435761u) & 0x03FF03FFu);  // 1 to 2 as float16
  const std::vector<std::int32_t> ids = {3, 0, 24, 24, 7};
  for (DType type : {DType::float32, DType::float16, DType::bfloat16}) {
    const TensorView table(bits.data(), type, {25, kWidth});
    std::vector<float> expected(ids.size() * kWidth), got(expected.size());
    reference->embed(ids, table, view(expected, {5, kWidth}));
    for_each_isa([&] {
      cpu.embed(ids, table, view(got, {5, kWidth}));
      EXPECT_TRUE(same_bits(got, expected)) << to_string(type);
    });
  }
}

TEST_F(ElementwiseTest, WidenIsExactForAll65536Values) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (DType type : {DType::float16, DType::bfloat16}) {
    const TensorView x(halves.data(), type, {65536});
    std::vector<float> expected(65536), got(65536);
    reference->widen(x, view(expected, {65536}));
    for_each_isa([&] {
      cpu.widen(x, view(got, {65536}));
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(got[i])) << i;  // the payload is the processor's affair
        } else {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(expected[i])) << to_string(type) << " " << i;
        }
      }
    });
  }
}

TEST_F(ElementwiseTest, WidenRoundsFloat64) {
  std::vector<double> x = {0.1, -1e30, 1e300, 5.0};
  std::vector<float> got(4);
  cpu.widen({x.data(), DType::float64, {4}}, view(got, {4}));
  EXPECT_EQ(got, (std::vector<float>{0.1f, -1e30f, std::numeric_limits<float>::infinity(), 5.0f}));
}

TEST_F(ElementwiseTest, BytesAreTheNearestOfPixels) {
  // All that lies around each tie, and what clamping keeps out.
  std::vector<float> x = {-INFINITY, -3e38f, -1.0001f, -1, -0.0f, 0, 1, 1.0001f, 3e38f, INFINITY, NAN};
  for (int i = 0; i < 255; ++i) {
    const float tie = (static_cast<float>(i) + 0.5f) / 255 * 2 - 1;
    for (const float at : {std::nextafter(tie, -2.0f), tie, std::nextafter(tie, 2.0f)}) x.push_back(at);
  }
  const auto more = values(40'000, 1);
  x.insert(x.end(), more.begin(), more.end());
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<std::uint8_t> expected(x.size()), got(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    expected[i] = std::isnan(x[i]) ? 0 : static_cast<std::uint8_t>(std::nearbyint(std::clamp(x[i] / 2 + 0.5f, 0.0f, 1.0f) * 255));
  }
  reference->to_bytes(view(x, {n}), TensorView(got.data(), DType::uint8, {n}));
  EXPECT_EQ(got, expected);
  for_each_isa([&] {
    for (const std::int64_t count : {n, std::int64_t{11}, std::int64_t{3}}) {
      std::fill(got.begin(), got.end(), std::uint8_t{77});
      cpu.to_bytes(TensorView(x.data(), DType::float32, {count}), TensorView(got.data(), DType::uint8, {count}));
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(got[i], i < static_cast<std::size_t>(count) ? expected[i] : 77) << i << ": " << x[i];
    }
  });
}

TEST_F(ElementwiseTest, LayoutsTransposeEachImage) {
  for (std::int64_t c : {1, 2, 3, 4, 5, 8, 13, 64, 65, 130}) {
    for (std::int64_t side : {1, 3, 8, 17, 33}) {
      const Shape planes{2, c, side, side + 1}, pixels{2, side, side + 1, c};
      auto x = values(planes.count(), 1);
      std::vector<float> expected(x.size()), got(x.size()), back(x.size());
      reference->nchw_to_nhwc(view(x, planes), view(expected, pixels));
      for_each_isa([&] {
        cpu.nchw_to_nhwc(view(x, planes), view(got, pixels));
        cpu.nhwc_to_nchw(view(got, pixels), view(back, planes));
        EXPECT_TRUE(same_bits(got, expected)) << planes.to_string();
        EXPECT_TRUE(same_bits(back, x)) << planes.to_string();
      });
    }
  }
}

TEST_F(ElementwiseTest, IsFiniteFindsOneBadValueAnywhere) {
  for (std::int64_t n : {1, 5, 16, 17, 63, 20000, 70001}) {
    auto x = values(n, 1);
    x[static_cast<std::size_t>(n / 2)] = std::numeric_limits<float>::max();
    for_each_isa([&] {
      EXPECT_TRUE(cpu.is_finite(view(x, {n}))) << n;
      for (std::int64_t place : {std::int64_t{0}, n / 2, n - 1}) {
        for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
          auto spoilt = x;
          spoilt[static_cast<std::size_t>(place)] = bad;
          EXPECT_FALSE(cpu.is_finite(view(spoilt, {n}))) << n << " " << place << " " << bad;
        }
      }
    });
  }
}

TEST_F(ElementwiseTest, StandardDeviationIsThatOfEachImage) {
  auto x = values(3 * 1000, 1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * static_cast<float>(i / 1000 + 1) + 100.0f;
  const auto expected = reference->standard_deviation(view(x, {3, 10, 10, 10})), got = cpu.standard_deviation(view(x, {3, 10, 10, 10}));
  ASSERT_EQ(got.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(got[i], expected[i]);
}

TEST_F(ElementwiseTest, ThreadsChangeNoBit) {
  constexpr std::int64_t kCount = 100003;
  auto x = values(kCount, 1);
  set_num_threads(1);
  std::vector<float> alone(x.size()), together(x.size());
  cpu.activate(view(x, {kCount}), Activation::silu, view(alone, {kCount}));
  for (int threads : {2, 3}) {
    set_num_threads(threads);
    cpu.activate(view(x, {kCount}), Activation::silu, view(together, {kCount}));
    EXPECT_TRUE(same_bits(together, alone)) << threads;
  }
}

}  // namespace
}  // namespace impasto
