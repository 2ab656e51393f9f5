#include "core/philox.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "weights/reader.h"

namespace impasto {
namespace {

/// A GPU's __sincosf is off by up to 2^-21 in absolute terms, its logf by two roundings; both grow with the radius, below 7.
constexpr double kAllowed = 7 * (0x1p-21 + 0x1p-22);

class Philox : public testing::Test {
 protected:
  /// A draw of `count` values, of which the file holds every step-th.
  void expect_draw(PhiloxGenerator& generator, const std::string& name, std::int64_t count, std::int64_t step) {
    const TensorView expected = torch_->find(name);
    ASSERT_TRUE(expected) << name;
    std::vector<float> got(static_cast<std::size_t>(count));
    generator.randn(got.data(), count);
    ASSERT_EQ(expected.count(), (count + step - 1) / step);
    for (std::int64_t i = 0; i < expected.count(); ++i)
      EXPECT_NEAR(got[static_cast<std::size_t>(i * step)], expected.as<float>()[i], kAllowed) << name << " at " << i * step;
  }

  // torch.randn(..., generator=torch.Generator("cuda").manual_seed(seed), device="cuda"), torch 2.11 on an H100: tools/test_data/cuda_generator.py.
  std::shared_ptr<const WeightReader> torch_ = open_weights_file(IMPASTO_TEST_DATA "/noise/cuda_generator.safetensors");
};

TEST_F(Philox, DrawsWhatTorchDrawsOnAGpu) {
  for (const std::uint64_t seed :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{42}, (std::uint64_t{1} << 32) - 1, (std::uint64_t{1} << 53) + 7}) {
    const std::string prefix = std::to_string(seed) + "/";
    PhiloxGenerator small(seed), large(seed);
    expect_draw(small, prefix + "first", 256, 1);
    expect_draw(small, prefix + "second", 256, 5);
    expect_draw(large, prefix + "large", 2 * 4 * 96 * 96, 997);
    expect_draw(large, prefix + "large_second", 3 * 4 * 64 * 64, 997);
  }
}

TEST_F(Philox, IsStandardNormal) {
  std::vector<float> values(100'000);
  PhiloxGenerator(7).randn(values.data(), static_cast<std::int64_t>(values.size()));
  double sum = 0, square = 0;
  for (const float v : values) sum += v, square += static_cast<double>(v) * v;
  const double n = static_cast<double>(values.size()), five_deviations = 5 / std::sqrt(n);
  EXPECT_NEAR(sum / n, 0, five_deviations);
  EXPECT_NEAR(square / n, 1, std::sqrt(2.0) * five_deviations);
}

}  // namespace
}  // namespace impasto
