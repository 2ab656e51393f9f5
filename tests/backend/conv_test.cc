#include "backend/cpu/conv.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/reference_backend.h"
#include "sample.h"

namespace impasto {
namespace {

struct Case {
  std::int64_t images = 1, height = 8, width = 8, in = 4, out = 4;
  std::int64_t short_height = 0, short_width = 0;  // rows and columns cropped from an enlarged input
  ConvGeometry geometry;
  DType dtype = DType::float32;
  bool bias = true, affine = false, row_bias = false, residual = false;
  Activation before = Activation::none, after = Activation::none;

  std::string name() const {
    return concat(images, " x ", height, " x ", width, ", ", in, " -> ", out, ", kernel ", geometry.kernel, ", stride ", geometry.stride, ", pads ",
                  geometry.pad_begin, " ", geometry.pad_end, ", upsample ", geometry.upsample, ", ", to_string(dtype), bias ? ", bias" : "",
                  affine ? ", affine" : "", row_bias ? ", row bias" : "", residual ? ", residual" : "", ", activations ", static_cast<int>(before),
                  " ", static_cast<int>(after));
  }
  Shape output() const { return {images, geometry.output(height) - short_height, geometry.output(width) - short_width, out}; }
};

constexpr ConvGeometry kGeometries[] = {
    {.kernel = 1, .stride = 1, .pad_begin = 0, .pad_end = 0, .upsample = 1}, {.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 1},
    {.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1, .upsample = 1}, {.kernel = 3, .stride = 2, .pad_begin = 0, .pad_end = 1, .upsample = 1},
    {.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1, .upsample = 2},
};
constexpr DType kStored[] = {DType::float32, DType::float16, DType::bfloat16};

/// The tensors of a case, and the case computed by the reference backend.
struct Scene {
  explicit Scene(const Case& c)
      : x(Sample::random({c.images, c.height, c.width, c.in}, 1)),
        w(Sample::random({c.out, c.in, c.geometry.kernel, c.geometry.kernel}, 2, 0.2f, c.dtype)),
        bias(Sample::random({c.out}, 3, 1.0f, c.dtype)),
        scale(Sample::random({c.images, c.in}, 4)),
        shift(Sample::random({c.images, c.in}, 5)),
        row_bias(Sample::random({c.images, c.out}, 6)),
        residual(Sample::random(c.output(), 7)),
        expected(c.output()),
        magnitude(c.output()) {
    if (c.affine) prologue = {scale, shift, c.before};
    if (c.row_bias) epilogue.row_bias = row_bias;
    if (c.residual) epilogue.residual = residual;
    epilogue.activation = c.after;
    const auto reference = make_reference_backend();
    reference->conv2d(x, *reference->pack_conv2d(w, c.bias ? bias.view() : TensorView(), c.geometry), prologue, epilogue, expected);
    measure(c, *reference);
  }

  /// The sums of magnitudes that rounding errors are relative to: no activation here has a slope above 1.2, or a value above its input's
  /// magnitude, so |x scale| + |shift| bounds what the prologue makes.
  void measure(const Case& c, Backend& reference) {
    Sample loaded = x.magnitudes();
    for (std::int64_t r = 0; c.affine && r < loaded.view().rows(); ++r)
      for (std::int64_t i = 0; i < c.in; ++i) {
        const std::int64_t image = r / (c.height * c.width);
        loaded.row(r)[i] = loaded.row(r)[i] * std::fabs(scale.row(image)[i]) + std::fabs(shift.row(image)[i]);
      }
    const Sample weights = w.magnitudes(), biases = bias.magnitudes();
    reference.conv2d(loaded, *reference.pack_conv2d(weights, biases, c.geometry), {}, {}, magnitude);
    for (std::int64_t r = 0; r < magnitude.view().rows(); ++r)
      for (std::int64_t i = 0; i < c.out; ++i) {
        const std::int64_t image = r / (magnitude.view().rows() / c.images);
        magnitude.row(r)[i] = 1.5f * (magnitude.row(r)[i] + std::fabs(row_bias.row(image)[i])) + std::fabs(residual.row(r)[i]);
      }
  }

  Sample x, w, bias, scale, shift, row_bias, residual, expected, magnitude;
  Prologue prologue;
  Epilogue epilogue;
};

class Conv : public EachIsa {
 protected:
  const ConvWeights& pack(const Case& c, const Scene& s) {
    packed_ = cpu_.pack_conv2d(s.w, c.bias ? s.bias.view() : TensorView(), c.geometry);
    return static_cast<const ConvWeights&>(*packed_);
  }

  void check_direct(const Case& c) {
    SCOPED_TRACE(c.name());
    const Scene s(c);
    const Sample out(c.output());
    direct_conv(pool_, gemm_kernels(), s.x, pack(c, s), s.prologue, s.epilogue, out);
    EXPECT_TRUE(within(out, s.expected, s.magnitude, rounding_of_sum(c.in * c.geometry.kernel * c.geometry.kernel)));
  }

  /// Winograd's sums are of other numbers than the ones asked for, so an error is relative to the largest value around.
  void check_winograd(const Case& c) {
    SCOPED_TRACE(c.name());
    const Scene s(c);
    Sample out(c.output()), largest(c.output());
    winograd_conv(pool_, DType::float32, s.x, pack(c, s), s.prologue, s.epilogue, out);
    float peak = 0;
    for (std::int64_t r = 0; r < s.expected.view().rows(); ++r)
      for (std::int64_t i = 0; i < c.out; ++i) peak = std::max(peak, std::fabs(s.expected.row(r)[i]));
    for (std::int64_t r = 0; r < s.expected.view().rows(); ++r) std::fill_n(largest.row(r), c.out, peak);
    EXPECT_TRUE(within(out, s.expected, largest, 1e-5));
  }

  CpuBackend cpu_;
  BlockPool pool_;
  std::unique_ptr<PackedWeights> packed_;
};
IMPASTO_ON_EACH_ISA(Conv);

TEST_P(Conv, DirectMatchesReferenceForEveryGeometryAndChannelCount) {
  for (const ConvGeometry& g : kGeometries)
    for (std::int64_t in : {3, 4, 9, 16, 48})
      for (std::int64_t out : {3, 4, 20})
        check_direct({.images = 2, .height = 7, .width = 5, .in = in, .out = out, .geometry = g, .dtype = kStored[(in + out) % 3]});
}

TEST_P(Conv, DirectMatchesReferenceForOddSizes) {
  for (const ConvGeometry& g : kGeometries)
    for (std::int64_t height : {2, 3, 6, 9})
      for (std::int64_t width : {2, 5, 8}) check_direct({.height = height, .width = width, .in = 5, .out = 6, .geometry = g});
}

TEST_P(Conv, DirectAppliesPrologueAndEpilogue) {
  for (const ConvGeometry& g : kGeometries)
    for (Activation a : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu})
      check_direct({.images = 2,
                    .height = 6,
                    .width = 4,
                    .in = 19,
                    .out = 33,
                    .geometry = g,
                    .dtype = DType::float16,
                    .affine = true,
                    .row_bias = true,
                    .residual = true,
                    .before = a,
                    .after = a});
}

TEST_P(Conv, DirectInBfloat16RoundsItsFactorsAndNothingElse) {
  for (const ConvGeometry& g : kGeometries)
    for (std::int64_t in : {3, 4, 19, 150}) {
      const Case c{.images = 2, .height = 7, .width = 5, .in = in, .out = 20, .geometry = g, .dtype = DType::bfloat16};
      SCOPED_TRACE(c.name());
      Scene s(c);
      s.x = s.x.rounded_to(DType::bfloat16);
      auto reference = make_reference_backend();
      reference->conv2d(s.x, *reference->pack_conv2d(s.w, c.bias ? s.bias.view() : TensorView(), c.geometry), {}, {}, s.expected);
      const Sample out(c.output());
      direct_conv(pool_, gemm_kernels(DType::bfloat16), s.x, pack(c, s), {}, {}, out);
      EXPECT_TRUE(within(out, s.expected, s.magnitude, rounding_of_sum(in * g.kernel * g.kernel)));
    }
}

TEST_P(Conv, DirectMatchesReferenceForManyChannels) {
  for (const ConvGeometry& g : kGeometries) check_direct({.height = 6, .width = 6, .in = 320, .out = 40, .geometry = g, .dtype = DType::bfloat16});
}

constexpr ConvGeometry kStride1[] = {kGeometries[1], kGeometries[4]};

TEST_P(Conv, WinogradMatchesReferenceForEveryChannelCount) {
  for (const ConvGeometry& g : kStride1)
    for (std::int64_t in : {3, 4, 9, 16, 48, 64, 70})
      for (std::int64_t out : {3, 4, 20, 33})
        check_winograd({.images = 2, .height = 7, .width = 5, .in = in, .out = out, .geometry = g, .dtype = kStored[(in + out) % 3]});
}

TEST_P(Conv, WinogradMatchesReferenceForEverySize) {
  for (const ConvGeometry& g : kStride1)
    for (std::int64_t height : {1, 2, 3, 6, 9, 19})
      for (std::int64_t width : {1, 2, 5, 8, 67}) check_winograd({.height = height, .width = width, .in = 5, .out = 6, .geometry = g});
  check_winograd({.height = 6, .width = 5, .in = 5, .out = 6, .geometry = {.kernel = 3, .stride = 1, .pad_begin = 0, .pad_end = 0, .upsample = 1}});
  check_winograd({.height = 6, .width = 5, .in = 5, .out = 6, .geometry = {.kernel = 3, .stride = 1, .pad_begin = 0, .pad_end = 1, .upsample = 1}});
}

TEST_P(Conv, CropsAnEnlargedInputBeforeThePadding) {
  for (std::int64_t short_height : {0, 1})
    for (std::int64_t short_width : {0, 1}) {
      const Case c{.images = 2,
                   .height = 5,
                   .width = 3,
                   .in = 5,
                   .out = 6,
                   .short_height = short_height,
                   .short_width = short_width,
                   .geometry = kGeometries[4]};
      check_direct(c);
      check_winograd(c);
    }
}

TEST_P(Conv, WinogradAppliesPrologueAndEpilogue) {
  for (const ConvGeometry& g : kStride1)
    for (Activation a : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu})
      check_winograd({.images = 2,
                      .height = 6,
                      .width = 9,
                      .in = 19,
                      .out = 33,
                      .geometry = g,
                      .dtype = DType::float16,
                      .affine = true,
                      .row_bias = true,
                      .residual = true,
                      .before = a,
                      .after = a});
}

TEST_P(Conv, WinogradMatchesReferenceForManyChannelsAndTiles) {
  check_winograd(
      {.height = 40, .width = 44, .in = 70, .out = 35, .geometry = kGeometries[1], .dtype = DType::float16});  // several stretches or parts
  for (const ConvGeometry& g : kStride1)
    check_winograd({.images = 2, .height = 6, .width = 8, .in = 320, .out = 40, .geometry = g, .dtype = DType::bfloat16});
}

TEST_P(Conv, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const ConvGeometry& g : kGeometries) {
    const Case c{.images = 2, .height = 21, .width = 18, .in = 24, .out = 70, .geometry = g, .affine = true, .before = Activation::silu};
    const Scene s(c);
    const auto packed = cpu_.pack_conv2d(s.w, s.bias, g);
    const Sample one(c.output());
    set_num_threads(1);
    cpu_.conv2d(s.x, *packed, s.prologue, s.epilogue, one);
    for (int threads : {2, 3, 7}) {
      set_num_threads(threads);
      const Sample many(c.output());
      cpu_.conv2d(s.x, *packed, s.prologue, s.epilogue, many);
      EXPECT_TRUE(many.same_bits(one)) << c.name() << ", " << threads << " threads";
    }
  }
}

TEST_P(Conv, GivesAnImageTheSameBitsAloneAndInABatch) {
  for (const ConvGeometry& g : kGeometries) {
    const Case c{
        .images = 3, .height = 11, .width = 9, .in = 20, .out = 35, .geometry = g, .affine = true, .row_bias = true, .before = Activation::silu};
    const Scene s(c);
    const auto packed = cpu_.pack_conv2d(s.w, s.bias, g);
    const Sample batch(c.output()), alone(c.output());
    cpu_.conv2d(s.x, *packed, s.prologue, s.epilogue, batch);
    for (std::int64_t k = 0; k < c.images; ++k)
      cpu_.conv2d(s.x.image(k), *packed, {s.scale.image(k), s.shift.image(k), c.before},
                  {.row_bias = s.row_bias.image(k), .activation = Activation::none, .residual = {}}, alone.image(k));
    EXPECT_TRUE(batch.same_bits(alone)) << c.name();
  }
}

TEST_P(Conv, AddsAResidualThatIsTheOutput) {
  for (const ConvGeometry& g : kGeometries) {
    const Case c{.height = 12, .width = 12, .in = 32, .out = 40, .geometry = g, .residual = true};
    const Scene s(c);
    const auto packed = cpu_.pack_conv2d(s.w, s.bias, g);
    const Sample apart(c.output());
    Sample together = s.residual;
    cpu_.conv2d(s.x, *packed, {}, {.row_bias = {}, .activation = Activation::none, .residual = s.residual}, apart);
    cpu_.conv2d(s.x, *packed, {}, {.row_bias = {}, .activation = Activation::none, .residual = together}, together);
    EXPECT_TRUE(together.same_bits(apart)) << c.name();
  }
}

}  // namespace
}  // namespace impasto
