// Each kind of adapter against its formula written as one sum per element.
#include "adapters/lora_delta.h"

#include <cmath>
#include <functional>
#include <random>

#include "adapters/lora_maker.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

using test::Values;

constexpr std::int64_t kOut = 6, kIn = 4, kRank = 2;

Values random(const Shape& shape, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  Values v{shape, std::vector<float>(static_cast<std::size_t>(shape.count()))};
  for (float& x : v.values) x = normal(engine);
  return v;
}

/// A matrix's or a 3x3 convolution's weight.
class LoraDelta : public ::testing::TestWithParam<std::int64_t> {
 protected:
  std::int64_t kernel() const { return GetParam() * GetParam(); }
  Shape shape(std::int64_t rows, std::int64_t columns) const {
    return GetParam() == 1 ? Shape{rows, columns} : Shape{rows, columns, GetParam(), GetParam()};
  }

  /// The layer's parts, by part's name, applied to weight_.
  std::vector<float> applied(const std::map<std::string, Values>& parts, float scale) const {
    std::map<std::string, Values> tensors;
    for (const auto& [part, values] : parts) tensors["lora_unet_layer." + part] = values;
    const LoraFile file = LoraFile::open(test::write_lora(folder_, tensors));
    std::vector<float> weight = weight_.values;
    apply_lora(file, "layer", file.modules(AdaptedNetwork::unet).at("layer"), scale, weight_.shape, weight);
    return weight;
  }

  /// delta(o, i, k) is what is added at scale 1.
  void expect_delta(const std::map<std::string, Values>& parts, const std::function<double(std::int64_t, std::int64_t, std::int64_t)>& delta) const {
    for (const float scale : {1.0f, -0.4f}) {
      const std::vector<float> got = applied(parts, scale);
      for (std::int64_t o = 0; o < kOut; ++o)
        for (std::int64_t i = 0; i < kIn; ++i)
          for (std::int64_t k = 0; k < kernel(); ++k) {
            const std::size_t at = static_cast<std::size_t>((o * kIn + i) * kernel() + k);
            EXPECT_NEAR(got[at], weight_.values[at] + scale * delta(o, i, k), 1e-5) << o << ' ' << i << ' ' << k << " at " << scale;
          }
    }
  }

  const Values weight_ = random(shape(kOut, kIn), 1);
  test::TemporaryFolder folder_;
};

TEST_P(LoraDelta, LowRankProductScaledByAlphaOverRank) {
  const Values up = random({kOut, kRank}, 2), down = random(shape(kRank, kIn), 3);
  const auto product = [&](std::int64_t o, std::int64_t i, std::int64_t k) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRank; ++r) sum += double{up.values[o * kRank + r]} * down.values[(r * kIn + i) * kernel() + k];
    return sum;
  };
  expect_delta({{"lora_up.weight", up}, {"lora_down.weight", down}}, product);
  expect_delta({{"lora_up.weight", up}, {"lora_down.weight", down}, {"alpha", {{}, {3.0f}}}},
               [&](auto o, auto i, auto k) { return product(o, i, k) * 3.0 / kRank; });
}

TEST_P(LoraDelta, KernelApart) {
  if (kernel() == 1) GTEST_SKIP() << "a matrix has no kernel";
  const Values up = random({kOut, kRank, 1, 1}, 2), down = random({kRank, kIn, 1, 1}, 3), mid = random({kRank, kRank, 3, 3}, 4);
  expect_delta({{"lora_up.weight", up}, {"lora_down.weight", down}, {"lora_mid.weight", mid}}, [&](auto o, auto i, auto k) {
    double sum = 0;
    for (std::int64_t a = 0; a < kRank; ++a)
      for (std::int64_t b = 0; b < kRank; ++b)
        sum += double{up.values[o * kRank + a]} * mid.values[(a * kRank + b) * kernel() + k] * down.values[b * kIn + i];
    return sum;
  });
}

TEST_P(LoraDelta, HadamardProduct) {
  const Values a1 = random({kOut, kRank}, 2), b1 = random({kRank, kIn * kernel()}, 3), a2 = random({kOut, kRank}, 4),
               b2 = random({kRank, kIn * kernel()}, 5);
  const auto product = [&](const Values& a, const Values& b, auto o, auto column) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRank; ++r) sum += double{a.values[o * kRank + r]} * b.values[r * kIn * kernel() + column];
    return sum;
  };
  expect_delta({{"hada_w1_a", a1}, {"hada_w1_b", b1}, {"hada_w2_a", a2}, {"hada_w2_b", b2}, {"alpha", {{}, {1.0f}}}},
               [&](auto o, auto i, auto k) { return product(a1, b1, o, i * kernel() + k) * product(a2, b2, o, i * kernel() + k) / kRank; });
}

TEST_P(LoraDelta, HadamardProductWithKernelsApart) {
  if (kernel() == 1) GTEST_SKIP() << "a matrix has no kernel";
  const Values a1 = random({kRank, kOut}, 2), b1 = random({kRank, kIn}, 3), t1 = random({kRank, kRank, 3, 3}, 4);
  const Values a2 = random({kRank, kOut}, 5), b2 = random({kRank, kIn}, 6), t2 = random({kRank, kRank, 3, 3}, 7);
  const auto factor = [&](const Values& t, const Values& a, const Values& b, auto o, auto i, auto k) {
    double sum = 0;
    for (std::int64_t p = 0; p < kRank; ++p)
      for (std::int64_t q = 0; q < kRank; ++q)
        sum += double{t.values[(p * kRank + q) * kernel() + k]} * a.values[p * kOut + o] * b.values[q * kIn + i];
    return sum;
  };
  expect_delta({{"hada_w1_a", a1}, {"hada_w1_b", b1}, {"hada_t1", t1}, {"hada_w2_a", a2}, {"hada_w2_b", b2}, {"hada_t2", t2}},
               [&](auto o, auto i, auto k) { return factor(t1, a1, b1, o, i, k) * factor(t2, a2, b2, o, i, k); });
}

TEST_P(LoraDelta, KroneckerProductOfWholeFactorsIgnoresAlpha) {
  const Values w1 = random({2, 2}, 2), w2 = random(shape(kOut / 2, kIn / 2), 3);
  expect_delta({{"lokr_w1", w1}, {"lokr_w2", w2}, {"alpha", {{}, {7.0f}}}}, [&](auto o, auto i, auto k) {
    return double{w1.values[o / (kOut / 2) * 2 + i / (kIn / 2)]} * w2.values[(o % (kOut / 2) * (kIn / 2) + i % (kIn / 2)) * kernel() + k];
  });
}

TEST_P(LoraDelta, KroneckerProductOfFactoredFactors) {
  const Values a1 = random({2, kRank}, 2), b1 = random({kRank, 2}, 3), a2 = random({kOut / 2, kRank}, 4), b2 = random({kRank, kIn / 2 * kernel()}, 5);
  const auto product = [&](const Values& a, const Values& b, auto row, auto column) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRank; ++r) sum += double{a.values[row * kRank + r]} * b.values[r * (b.shape[1]) + column];
    return sum;
  };
  expect_delta({{"lokr_w1_a", a1}, {"lokr_w1_b", b1}, {"lokr_w2_a", a2}, {"lokr_w2_b", b2}, {"alpha", {{}, {1.0f}}}}, [&](auto o, auto i, auto k) {
    return product(a1, b1, o / (kOut / 2), i / (kIn / 2)) * product(a2, b2, o % (kOut / 2), i % (kIn / 2) * kernel() + k) / kRank;
  });
}

TEST_P(LoraDelta, WholeDifference) {
  const Values diff = random(shape(kOut, kIn), 2);
  expect_delta({{"diff", diff}}, [&](auto o, auto i, auto k) { return double{diff.values[(o * kIn + i) * kernel() + k]}; });
}

TEST_P(LoraDelta, MagnitudesNormTheRows) {
  const Values up = random({kOut, kRank}, 2), down = random(shape(kRank, kIn), 3), plain = random(shape(kOut, kIn), 1);
  Values magnitudes = random({kOut, 1}, 4);
  const std::map<std::string, Values> lora{{"lora_up.weight", up}, {"lora_down.weight", down}};
  for (const float scale : {1.0f, 0.3f}) {
    const std::vector<float> whole = applied(lora, 1), part = applied(lora, scale);
    auto with = [&](const char* name) {
      auto parts = lora;
      parts[name] = magnitudes;
      return applied(parts, scale);
    };
    const std::vector<float> lycoris = with("dora_scale"), peft = with("lora_magnitude_vector");
    const std::int64_t row = kIn * kernel();
    for (std::int64_t o = 0; o < kOut; ++o) {
      double whole_norm = 0, part_norm = 0;
      for (std::int64_t j = 0; j < row; ++j) whole_norm += std::pow(whole[o * row + j], 2), part_norm += std::pow(part[o * row + j], 2);
      for (std::int64_t j = 0; j < row; ++j) {
        const std::size_t at = static_cast<std::size_t>(o * row + j);
        const double m = magnitudes.values[o], goal = whole[at] * m / std::sqrt(whole_norm);
        EXPECT_NEAR(lycoris[at], weight_.values[at] + scale * (goal - weight_.values[at]), 1e-5);
        EXPECT_NEAR(peft[at], part[at] * m / std::sqrt(part_norm), 1e-5);
      }
    }
  }
}

TEST_P(LoraDelta, MagnitudesNormTheInputChannels) {
  const Values up = random({kOut, kRank}, 2), down = random(shape(kRank, kIn), 3), magnitudes = random({1, kIn}, 4);
  const std::map<std::string, Values> lora{{"lora_up.weight", up}, {"lora_down.weight", down}};
  auto parts = lora;
  parts["dora_scale"] = magnitudes;
  const std::vector<float> whole = applied(lora, 1), got = applied(parts, 1);
  for (std::int64_t i = 0; i < kIn; ++i) {
    double norm = 0;
    for (std::int64_t o = 0; o < kOut; ++o)
      for (std::int64_t k = 0; k < kernel(); ++k) norm += std::pow(whole[(o * kIn + i) * kernel() + k], 2);
    for (std::int64_t o = 0; o < kOut; ++o)
      for (std::int64_t k = 0; k < kernel(); ++k) {
        const std::size_t at = static_cast<std::size_t>((o * kIn + i) * kernel() + k);
        EXPECT_NEAR(got[at], whole[at] * magnitudes.values[i] / std::sqrt(norm), 1e-5);
      }
  }
}

TEST_P(LoraDelta, PartsThatDoNotFitAreNamed) {
  const Values up = random({kOut, kRank}, 2), down = random(shape(kRank, kIn), 3);
  const auto refused = [&](const std::map<std::string, Values>& parts, const char* part) {
    EXPECT_ERROR(applied(parts, 1), bad_file, "lora.safetensors", "lora_unet_layer.", part);
  };
  refused({{"lora_up.weight", up}}, "has no \"down\"");
  refused({{"alpha", {{}, {1.0f}}}}, "has no other part");
  refused({{"lora_up.weight", random({kOut + 1, kRank}, 2)}, {"lora_down.weight", down}}, "lora_up.weight\" has shape");
  refused({{"lora_up.weight", random({kOut, kRank + 1}, 2)}, {"lora_down.weight", down}}, "lora_up.weight\" has shape");
  refused({{"lora_up.weight", up}, {"lora_down.weight", random(shape(kRank, 2 * kIn), 3)}}, "lora_down.weight\" has shape");
  refused({{"lora_up.weight", up}, {"lora_down.weight", down}, {"lora_mid.weight", random({kRank, 3, 1, 1}, 3)}}, "");
  refused({{"lora_up.weight", up}, {"lora_down.weight", down}, {"alpha", random({2}, 3)}}, "alpha\" has shape");
  refused({{"lora_up.weight", up}, {"lora_down.weight", down}, {"dora_scale", random({5}, 3)}}, "dora_scale\" has shape");
  refused({{"lokr_w1", random({2, 2}, 2)}, {"lokr_w2", random({2, 2}, 3)}}, "lokr_w2\" has shape");
  refused({{"lokr_w1", random({2, 2}, 2)}}, "lokr_w2");
  refused({{"hada_w1_a", up}, {"hada_w1_b", random({kRank, 3}, 3)}, {"hada_w2_a", up}, {"hada_w2_b", random({kRank, 3}, 3)}},
          "hada_w2_b\" has shape");
  refused({{"hada_w1_a", up}, {"hada_w1_b", up}, {"hada_t1", up}, {"hada_w2_a", up}, {"hada_w2_b", up}, {"hada_t2", up}}, "hada_t2");
  refused({{"diff", random(shape(kIn, kOut), 3)}}, "diff\" has shape");
  refused({{"diff", random({}, 3)}}, "diff\" has shape");
}

TEST_P(LoraDelta, ValuesThatAreNoNumbersAreNamed) {
  std::map<std::string, Values> parts{{"lora_up.weight", random({kOut, kRank}, 2)}, {"lora_down.weight", random(shape(kRank, kIn), 3)}};
  EXPECT_ERROR(applied(parts, 3e38f), invalid_argument, "lora.safetensors", "scale of 3e+38", "too large", "weight layer");
  auto damaged = parts;
  damaged["lora_up.weight"].values[3] = std::nanf("");
  EXPECT_ERROR(applied(damaged, 1), bad_file, "lora.safetensors", "NaN or infinity", "lora_unet_layer.lora_up.weight");
  parts["alpha"] = {{}, {INFINITY}};
  EXPECT_ERROR(applied(parts, 1), bad_file, "lora.safetensors", "NaN or infinity", "lora_unet_layer.alpha");
}

INSTANTIATE_TEST_SUITE_P(Kernels, LoraDelta, ::testing::Values(1, 3));

TEST(LoraBias, IsChangedByWholeDifferences) {
  const test::TemporaryFolder folder;
  const LoraFile file =
      LoraFile::open(test::write_lora(folder, {{"lora_unet_layer.diff", {{1, 1}, {1}}}, {"lora_unet_layer.diff_b", {{2}, {4, 8}}}}));
  const LoraModule& module = file.modules(AdaptedNetwork::unet).at("layer");
  std::vector<float> bias{1, 1}, other{1};
  EXPECT_TRUE(apply_lora_bias(file, "layer", module, 0.5f, bias));
  EXPECT_EQ(bias, (std::vector<float>{3, 5}));
  EXPECT_ERROR(apply_lora_bias(file, "layer", module, 1, other), bad_file, "diff_b", "2 values", "1");
}

}  // namespace
}  // namespace impasto
