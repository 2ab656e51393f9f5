#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference_backend.h"
#include "sample.h"

namespace impasto {
namespace {

struct Case {
  std::int64_t images = 1, rows = 1, in = 1, out = 1;
  DType dtype = DType::float32;
  bool bias = true, gated = false, row_bias = false, residual = false;
  Activation activation = Activation::none;
  std::int64_t gap = 0;
  DType arithmetic = DType::float32;

  std::string name() const {
    return concat(images, " x ", rows, " rows, ", in, " -> ", out, ", ", to_string(dtype), bias ? ", bias" : "", gated ? ", gated" : "",
                  row_bias ? ", row bias" : "", residual ? ", residual" : "", ", activation ", static_cast<int>(activation), ", gap ", gap, ", in ",
                  to_string(arithmetic));
  }
};

class Linear : public EachIsa {
 protected:
  void check(const Case& c) {
    SCOPED_TRACE(c.name());
    const std::int64_t weight_rows = c.gated ? 2 * c.out : c.out;
    const Sample x = Sample::random({c.images, c.rows, c.in}, 1, 1.0f, DType::float32, c.gap);
    const Sample w = Sample::random({weight_rows, c.in}, 2, 0.3f, c.dtype), bias = Sample::random({weight_rows}, 3, 1.0f, c.dtype);
    const Sample row_bias = Sample::random({c.images, c.out}, 4), residual = Sample::random({c.images, c.rows, c.out}, 5);
    const TensorView b = c.bias ? bias.view() : TensorView();
    Epilogue e;
    if (c.row_bias) e.row_bias = row_bias;
    if (c.residual) e.residual = residual;
    e.activation = c.activation;

    const Sample out({c.images, c.rows, c.out}, DType::float32, c.gap), expected({c.images, c.rows, c.out});
    Backend& backend = c.arithmetic == DType::bfloat16 ? bfloat16_ : cpu_;
    backend.linear(x, *backend.pack_linear(w, b, c.gated), e, out);
    // Products of two bfloat16 are exact in float32, so only the sums round.
    const Sample& factor_x = c.arithmetic == DType::bfloat16 ? x.rounded_to(DType::bfloat16) : x;
    const Sample& factor_w = c.arithmetic == DType::bfloat16 ? w.rounded_to(DType::bfloat16) : w;
    reference_->linear(factor_x, *reference_->pack_linear(factor_w, b, c.gated), e, expected);
    EXPECT_TRUE(within(out, expected, error_scale(c, x, w, bias, row_bias, residual), rounding_of_sum(c.in)));
    EXPECT_TRUE(out.gaps_untouched());
  }

  /// What the rounding error of each output is relative to: the sum of magnitudes S of everything added up. An activation's slope is
  /// below 1.2; a gated output v * gelu(g) is off by at most S_v * 1.2 S_g + S_v S_g, which 3 (S_v + S_g)^2 covers.
  Sample error_scale(const Case& c, const Sample& x, const Sample& w, const Sample& bias, const Sample& row_bias, const Sample& residual) {
    Sample sums({c.images, c.rows, c.gated ? 2 * c.out : c.out}), scale({c.images, c.rows, c.out});
    reference_->linear(x.magnitudes(), *reference_->pack_linear(w.magnitudes(), bias.magnitudes(), /*gated=*/false), {}, sums);
    for (std::int64_t r = 0; r < c.images * c.rows; ++r)
      for (std::int64_t o = 0; o < c.out; ++o) {
        double s = sums.row(r)[o] + std::fabs(row_bias.view().row(r / c.rows)[o]);
        if (c.gated) s = std::pow(s + sums.row(r)[o + c.out], 2);
        scale.row(r)[o] = static_cast<float>(1.5 * s * (c.gated ? 2 : 1) + std::fabs(residual.view().row(r)[o]));
      }
    return scale;
  }

  CpuBackend cpu_, bfloat16_{DType::bfloat16};
  std::unique_ptr<Backend> reference_ = make_reference_backend();
};
IMPASTO_ON_EACH_ISA(Linear);

constexpr DType kStored[] = {DType::float32, DType::float16, DType::bfloat16};

TEST_P(Linear, MatchesReferenceAtEveryRemainder) {
  for (std::int64_t rows : {1, 2, 5, 12, 13, 27})
    for (std::int64_t out : {1, 3, 4, 15, 16, 17, 33, 70})
      for (std::int64_t in : {1, 3, 4, 6, 16, 37}) check({.rows = rows, .in = in, .out = out, .dtype = kStored[(rows + out + in) % 3]});
}

TEST_P(Linear, MatchesReferenceForEveryStoredType) {
  for (DType dtype : kStored)
    for (std::int64_t in : {64, 320, 1283}) check({.rows = 14, .in = in, .out = 50, .dtype = dtype});
}

TEST_P(Linear, MatchesReferenceWhereManyBlocksAreNeeded) { check({.rows = 410, .in = 700, .out = 200, .dtype = DType::float16}); }

TEST_P(Linear, MatchesReferenceWhereDepthIsCut) {
  for (std::int64_t in : {961, 1925, 3072})  // two, three and four blocks; the last with rows that are copied first
    for (bool gated : {false, true})
      check({.images = 2, .rows = 15, .in = in, .out = 45, .dtype = DType::float16, .gated = gated, .residual = true, .gap = in % 2 * 7});
}

TEST_P(Linear, InBfloat16RoundsItsFactorsAndNothingElse) {
  for (std::int64_t rows : {1, 2, 12, 13})
    for (std::int64_t out : {1, 16, 33, 70})
      for (std::int64_t in : {1, 2, 3, 16, 37, 64, 65})
        check({.rows = rows, .in = in, .out = out, .dtype = kStored[(rows + out + in) % 3], .arithmetic = DType::bfloat16});
  for (std::int64_t in : {130, 961, 3071})  // one, two and four blocks of depth
    for (bool gated : {false, true})
      check({.images = 2, .rows = 15, .in = in, .out = 45, .dtype = DType::float16, .gated = gated, .residual = true, .arithmetic = DType::bfloat16});
}

TEST_P(Linear, InBfloat16LetsNotANumberThroughToItsOwnRowOnly) {
  Sample x = Sample::random({9, 17}, 1);
  x.row(4)[3] = std::bit_cast<float>(0x7FFFFFFFu);  // rounding its bits as if they were a number would make it -0
  const Sample w = Sample::random({20, 17}, 2), out({9, 20});
  bfloat16_.linear(x, *bfloat16_.pack_linear(w, {}, /*gated=*/false), {}, out);
  for (int r = 0; r < 9; ++r)
    for (int c = 0; c < 20; ++c) EXPECT_EQ(std::isnan(out.row(r)[c]), r == 4);
}

TEST_P(Linear, KeepsFloat16Subnormals) {
  const std::uint16_t tiny[4] = {0x0001, 0x03FF, 0x8001, 0x0200};
  const TensorView w(const_cast<std::uint16_t*>(tiny), DType::float16, {1, 4});
  Sample x({1, 4}), out({1, 1});
  std::fill_n(x.row(0), 4, 0x1p24f);
  cpu_.linear(x, *cpu_.pack_linear(w, {}, /*gated=*/false), {}, out);
  EXPECT_EQ(out.row(0)[0], 1.0f + 1023.0f - 1.0f + 512.0f);
}

TEST_P(Linear, ReadsAndWritesColumnRanges) {
  for (std::int64_t gap : {1, 5, 64})
    for (std::int64_t out : {3, 16, 33}) check({.rows = 19, .in = 21, .out = out, .gap = gap});
}

TEST_P(Linear, AppliesTheEpilogueInOrder) {
  for (Activation a : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu})
    for (int options = 0; options < 8; ++options)
      for (std::int64_t out : {5, 32, 47})
        check({.images = 3,
               .rows = 7,
               .in = 20,
               .out = out,
               .bias = (options & 1) != 0,
               .row_bias = (options & 2) != 0,
               .residual = (options & 4) != 0,
               .activation = a});
}

TEST_P(Linear, MultipliesByTheGelusOfTheGates) {
  for (std::int64_t out : {1, 4, 7, 16, 31, 32, 80})
    for (std::int64_t rows : {1, 6, 25})
      for (DType dtype : kStored) check({.images = 2, .rows = rows, .in = 40, .out = out, .dtype = dtype, .gated = true, .residual = rows != 6});
}

TEST_P(Linear, AddsAResidualThatIsTheOutput) {
  const Sample x = Sample::random({30, 24}, 1), w = Sample::random({40, 24}, 2), before = Sample::random({30, 40}, 3);
  const Sample apart({30, 40});
  Sample together = before;
  const auto packed = cpu_.pack_linear(w, {}, /*gated=*/false);
  cpu_.linear(x, *packed, {.row_bias = {}, .activation = Activation::silu, .residual = before}, apart);
  cpu_.linear(x, *packed, {.row_bias = {}, .activation = Activation::silu, .residual = together}, together);
  EXPECT_TRUE(together.same_bits(apart));
}

TEST_P(Linear, GivesTheSameBitsForAnyNumberOfThreads) {
  for (std::int64_t in : {90, 1000}) {
    const Sample x = Sample::random({1000, in}, 1), w = Sample::random({260, in}, 2, 1.0f, DType::float16);
    const auto packed = cpu_.pack_linear(w, {}, /*gated=*/true);
    const Sample one({1000, 130});
    set_num_threads(1);
    cpu_.linear(x, *packed, {}, one);
    for (int threads : {2, 3, 7}) {
      set_num_threads(threads);
      const Sample many({1000, 130});
      cpu_.linear(x, *packed, {}, many);
      EXPECT_TRUE(many.same_bits(one)) << in << " columns, " << threads << " threads";
    }
  }
}

TEST_P(Linear, GivesAnImageTheSameBitsAloneAndInABatch) {
  for (std::int64_t rows : {1, 5, 64, 77}) {
    const std::int64_t in = rows == 64 ? 1000 : 50;
    const Sample x = Sample::random({3, rows, in}, 1), w = Sample::random({70, in}, 2, 1.0f, DType::bfloat16);
    const auto packed = cpu_.pack_linear(w, {}, /*gated=*/false);
    const Sample batch({3, rows, 70}), alone({3, rows, 70});
    cpu_.linear(x, *packed, {}, batch);
    for (std::int64_t k = 0; k < 3; ++k) cpu_.linear(x.image(k), *packed, {}, alone.image(k));
    EXPECT_TRUE(batch.same_bits(alone)) << rows << " rows";
  }
}

TEST_P(Linear, LetsNotANumberThroughToItsOwnRowOnly) {
  Sample x = Sample::random({9, 17}, 1);
  const Sample w = Sample::random({20, 17}, 2);
  x.row(4)[3] = std::nanf("");
  Sample out({9, 20});
  cpu_.linear(x, *cpu_.pack_linear(w, {}, /*gated=*/false), {.row_bias = {}, .activation = Activation::gelu, .residual = {}}, out);
  for (int r = 0; r < 9; ++r)
    for (int c = 0; c < 20; ++c) EXPECT_EQ(std::isnan(out.row(r)[c]), r == 4);
}

}  // namespace
}  // namespace impasto
