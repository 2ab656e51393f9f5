#include "pipelines/noise.h"

#include "ops/ops.h"
#include "support/golden.h"
#include "support/networks.h"

namespace impasto::test {
namespace {

TEST(SphericalMix, EqualsTheReference) {
  Backend& backend = backend_for("cpu");
  const auto cases = golden_cases("variations");
  EXPECT_GE(cases.size(), 6u);
  for (const GoldenCase& golden : cases) {
    const Shape nchw = golden.shape("noise");
    const Shape shape{nchw[0], nchw[2], nchw[3], nchw[1]};
    const auto seeds = golden.settings().at("seeds").get<std::vector<std::uint64_t>>();
    const Tensor from = LatentNoise(backend, {seeds[0]}, false).draw(shape), to = LatentNoise(backend, {seeds[1]}, false).draw(shape);
    EXPECT_TRUE(map_matches(golden, "noise", spherical_mix(from, to, golden.settings().at("share"))));
  }
}

TEST(SphericalMix, KeepsEndsAndImagesApart) {
  Backend& backend = backend_for("cpu");
  const Shape shape{2, 6, 5, 4};
  const Tensor from = LatentNoise(backend, {1, 2}, false).draw(shape), to = LatentNoise(backend, {3, 4}, false).draw(shape);
  const std::vector<float> whole = spherical_mix(from, to, 1).to_host(), wanted = to.to_host(), none = spherical_mix(from, to, 0).to_host();
  const std::vector<float> kept = from.to_host();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_NEAR(whole[i], wanted[i], 1e-6);
    EXPECT_NEAR(none[i], kept[i], 1e-6);
  }
  EXPECT_EQ(spherical_mix(from.slice(1, 1), to.slice(1, 1), 0.4f).to_host(), spherical_mix(from, to, 0.4f).slice(1, 1).to_host());
}

TEST(SphericalMix, GoesStraightWhereThereIsNoCircle) {
  Backend& backend = backend_for("cpu");
  const std::vector<float> values{1, -2}, others{3, 4}, zeros{0, 0};
  const auto row = [&](const std::vector<float>& v) { return Tensor::from_host(backend, {1, 1, 2, 1}, v.data()); };
  EXPECT_EQ(spherical_mix(row(values), row(others), 0.5f).to_host(), (std::vector<float>{2, 1}));
  EXPECT_EQ(spherical_mix(row(zeros), row(others), 0.5f).to_host(), (std::vector<float>{1.5, 2}));
}

}  // namespace
}  // namespace impasto::test
