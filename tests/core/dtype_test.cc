#include "core/dtype.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace impasto {
namespace {

TEST(Float16, EveryValueComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = float16_to_float32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float16_to_float32(float32_to_float16(value)))) << bits;
    } else {
      EXPECT_EQ(float32_to_float16(value), half) << bits;
    }
  }
}

TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  for (std::uint16_t half = 0; half < 0x7BFF; ++half) {
    const float low = float16_to_float32(half), high = float16_to_float32(static_cast<std::uint16_t>(half + 1));
    const float middle = low + (high - low) / 2;  // exact: float32 has 13 bits more
    const auto even = static_cast<std::uint16_t>(half + half % 2);
    ASSERT_EQ(float32_to_float16(middle), even) << half;
    ASSERT_EQ(float32_to_float16(std::nextafter(middle, low)), half) << half;
    ASSERT_EQ(float32_to_float16(std::nextafter(middle, high)), half + 1) << half;
    ASSERT_EQ(float32_to_float16(-std::nextafter(middle, high)), (half + 1) | 0x8000) << half;
  }
}

TEST(Float16, WhatIsTooLargeBecomesInfinity) {
  EXPECT_EQ(float32_to_float16(65519.996f), 0x7BFF);
  for (const float value : {65520.0f, 1e10f, std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(float32_to_float16(value), 0x7C00) << value;
    EXPECT_EQ(float32_to_float16(-value), 0xFC00) << value;
  }
  EXPECT_EQ(float32_to_float16(1e-10f), 0);
  EXPECT_EQ(float32_to_float16(-1e-10f), 0x8000);
}

}  // namespace
}  // namespace impasto
