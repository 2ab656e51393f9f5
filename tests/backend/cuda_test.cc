// The CUDA backend's operations against the CPU's, over the same rounded inputs. Skipped where there is no GPU.
#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "backend/cuda/cuda.h"
#include "backend/registry.h"
#include "ops/ops.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

/// The same values on both devices, rounded to the GPU's type.
struct Both {
  Tensor gpu, cpu;
};

class Cuda : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (count_cuda_devices() == 0) GTEST_SKIP() << "no CUDA device";
    gpu_ = &backend_for("cuda", GetParam());
  }

  /// Relative rounding of a stored value.
  double unit() const { return GetParam() == DType::float16 ? 0x1p-11 : 0x1p-8; }

  Both both(const Shape& shape, float scale = 1, float offset = 0) { return both(shape, GetParam(), scale, offset); }
  Both both(const Shape& shape, DType dtype, float scale = 1, float offset = 0) {
    std::normal_distribution<float> normal(offset, scale);
    std::vector<float> values(static_cast<std::size_t>(shape.count()));
    for (float& v : values) v = normal(bits_);
    const Tensor wide = Tensor::from_host(*gpu_, shape, values.data());
    Both b;
    b.gpu = Tensor::empty(*gpu_, shape, dtype);
    b.gpu.assign(wide);
    b.cpu = Tensor::from_host(cpu_, shape, b.gpu.to_host().data());
    return b;
  }

  /// A layer's weights as a file stores them.
  std::vector<std::uint16_t> weights(std::int64_t count, float scale, std::vector<float>& widened) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<std::uint16_t> stored(static_cast<std::size_t>(count));
    widened.resize(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      const float v = normal(bits_);
      stored[i] = GetParam() == DType::float16 ? float32_to_float16(v) : float32_to_bfloat16(v);
      widened[i] = GetParam() == DType::float16 ? float16_to_float32(stored[i]) : bfloat16_to_float32(stored[i]);
    }
    return stored;
  }

  /// The largest difference within `roundings` of the tensor's root mean square times the unit, or of the element itself.
  testing::AssertionResult close(const Tensor& got, const Tensor& expected, double roundings = 4) const {
    const std::vector<float> a = got.to_host(), e = expected.to_host();
    double square = 0;
    for (const float v : e) square += static_cast<double>(v) * v;
    const double size = std::sqrt(square / static_cast<double>(e.size()));
    std::size_t worst = 0, wrong = 0;
    double most = -1;
    for (std::size_t i = 0; i < e.size(); ++i) {
      const double off = std::abs(static_cast<double>(a[i]) - e[i]) / (size + std::abs(static_cast<double>(e[i])) + 1e-30);
      const bool bad = !(off <= roundings * unit());
      wrong += bad;
      if (std::isnan(off) || off > most) most = std::isnan(off) ? INFINITY : off, worst = i;
    }
    if (wrong == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << wrong << " of " << e.size() << " are off, the worst at " << worst << ": " << a[worst] << ", expected "
                                       << e[worst] << ", root mean square " << size << ", roundings " << most / unit();
  }

  /// An error of one case does not hide the others, unless the device is lost.
  template <typename F>
  void each(const std::string& what, const F& f) {
    SCOPED_TRACE(what);
    try {
      f();
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  }

  Backend* gpu_ = nullptr;
  Backend& cpu_ = backend_for("cpu");
  std::mt19937 bits_{7};
};
INSTANTIATE_TEST_SUITE_P(Features, Cuda, testing::Values(DType::float16, DType::bfloat16),
                         [](const testing::TestParamInfo<DType>& info) { return std::string(to_string(info.param)); });

struct LinearCase {
  std::int64_t images, rows, in, out;
  bool bias = true, gated = false, row_bias = false, residual = false;
  Activation activation = Activation::none;
  bool strided = false, wide_input = false;
};

TEST_P(Cuda, LinearEqualsTheCpus) {
  const LinearCase cases[] = {{1, 1, 320, 1280},
                              {1, 1, 1280, 1280, true, false, false, false, Activation::silu, false, true},
                              {2, 4096, 320, 320},
                              {2, 4096, 320, 320, false},
                              {2, 4096, 320, 320, true, false, false, true},
                              {2, 1024, 640, 1920, false},
                              {2, 77, 768, 320, false},
                              {2, 4096, 320, 1280, true, true},
                              {2, 256, 1280, 2560, true, true},
                              {2, 64, 5120, 1280, true, false, false, true},
                              {1, 77, 768, 3072, true, false, false, false, Activation::quick_gelu},
                              {1, 77, 1024, 4096, true, false, false, false, Activation::gelu},
                              {3, 5, 20, 36},
                              {3, 5, 20, 36, true, true},
                              {1, 7, 33, 21, true, false, false, true},
                              {2, 9, 6, 3, false},
                              {1, 1, 1, 1},
                              {2, 130, 64, 48, true, false, true, true, Activation::silu},
                              {2, 100, 96, 72, true, false, false, true, Activation::none, true},
                              {2, 33, 40, 24, true, true, false, false, Activation::none, true},
                              {2, 50, 64, 64, true, false, false, false, Activation::none, false, true}};
  for (const LinearCase& c : cases) {
    each(concat(c.images, "x", c.rows, ", ", c.in, " -> ", c.out, c.gated ? " gated" : "", c.residual ? " residual" : "",
                c.row_bias ? " row bias" : "", c.strided ? " strided" : "", " activation ", static_cast<int>(c.activation)),
         [&] {
           const std::int64_t rows = c.gated ? 2 * c.out : c.out, gap = c.strided ? 8 : 0;
           std::vector<float> w, b;
           const auto stored_w = weights(rows * c.in, 1 / std::sqrt(static_cast<float>(c.in)), w);
           const auto stored_b = weights(rows, 0.5f, b);
           const auto stored = [&](const void* data, DType type, const Shape& shape) { return TensorView(const_cast<void*>(data), type, shape); };
           const auto on_gpu = gpu_->pack_linear(stored(stored_w.data(), GetParam(), {rows, c.in}),
                                                 c.bias ? stored(stored_b.data(), GetParam(), {rows}) : TensorView(), c.gated);
           const auto on_cpu = cpu_.pack_linear(stored(w.data(), DType::float32, {rows, c.in}),
                                                c.bias ? stored(b.data(), DType::float32, {rows}) : TensorView(), c.gated);
           Both x = both({c.images, c.rows, c.in + gap}, c.wide_input ? DType::float32 : GetParam());
           if (c.strided) x.gpu = x.gpu.columns(gap, c.in), x.cpu = x.cpu.columns(gap, c.in);
           const Both row_bias = both({c.images, c.out}), residual = both({c.images, c.rows, c.out});
           const auto fused = [&](bool gpu) {
             return ops::Fused{.row_bias = !c.row_bias ? Tensor()
                                           : gpu       ? row_bias.gpu
                                                       : row_bias.cpu,
                               .activation = c.activation,
                               .residual = !c.residual ? Tensor()
                                           : gpu       ? residual.gpu
                                                       : residual.cpu};
           };
           for (int turn = 0; turn < 2; ++turn) {  // the first chooses a kernel
             const Tensor got = c.gated ? ops::gated_linear(x.gpu, *on_gpu, c.out) : ops::linear(x.gpu, *on_gpu, c.out, fused(true));
             EXPECT_EQ(got.dtype(), GetParam());
             EXPECT_TRUE(close(got, c.gated ? ops::gated_linear(x.cpu, *on_cpu, c.out) : ops::linear(x.cpu, *on_cpu, c.out, fused(false)), 6));
           }
         });
  }
}

struct ConvCase {
  std::int64_t n, h, w, in, out;
  ConvGeometry geometry = {};
  bool prologue = false, row_bias = false, residual = false;
  Activation activation = Activation::none;
  std::int64_t short_by = 0;
  bool one_row_bias = false;
};

TEST_P(Cuda, ConvolutionEqualsTheCpus) {
  const ConvGeometry one{.kernel = 1, .pad_begin = 0, .pad_end = 0}, down{.stride = 2}, vae_down{.stride = 2, .pad_begin = 0, .pad_end = 1},
      up{.upsample = 2};
  const ConvCase cases[] = {{1, 64, 64, 4, 320},
                            {2, 64, 64, 320, 320, {}, true, true, false},
                            {2, 64, 64, 320, 320, {}, true, false, true},
                            {2, 64, 64, 960, 320, {}, true, true, false},
                            {2, 64, 64, 960, 320, one},
                            {2, 64, 64, 320, 320, one, true},
                            {2, 32, 32, 640, 640, {}, true, false, true},
                            {2, 16, 16, 1280, 1280, {}, true, true, false},
                            {2, 8, 8, 2560, 1280, {}, true, true, false},
                            {2, 64, 64, 320, 320, down},
                            {2, 16, 16, 1280, 1280, up},
                            {2, 64, 64, 320, 4, {}, true},
                            {1, 64, 64, 4, 4, one},
                            {1, 64, 64, 512, 512, {}, true, false, true},
                            {1, 40, 56, 128, 3, {}, true},
                            {1, 40, 56, 3, 128},
                            {1, 33, 47, 32, 64, vae_down},
                            {3, 5, 7, 6, 10, {}, true, true, true},
                            {1, 9, 6, 9, 12, down, true},
                            {2, 5, 3, 16, 8, up, true, false, false, Activation::none, 1},
                            {1, 12, 12, 3, 16, {}, false, false, false, Activation::silu},
                            {1, 1, 1, 64, 64, {}, true, true, true},
                            {2, 64, 64, 320, 320, {}, true, true, false, Activation::none, 0, true},
                            {3, 10, 12, 32, 48, {}, true, true, true, Activation::none, 0, true}};
  for (const ConvCase& c : cases) {
    each(concat(c.n, "x", c.h, "x", c.w, ", ", c.in, " -> ", c.out, ", kernel ", c.geometry.kernel, " stride ", c.geometry.stride, " upsample ",
                c.geometry.upsample, " pads ", c.geometry.pad_begin, " ", c.geometry.pad_end, c.prologue ? " prologue" : "",
                c.row_bias ? " row bias" : "", c.residual ? " residual" : ""),
         [&] {
           const std::int64_t k = c.geometry.kernel;
           const std::int64_t h = c.geometry.output(c.h) - c.short_by, wide = c.geometry.output(c.w) - c.short_by;
           std::vector<float> w, b;
           const auto stored_w = weights(c.out * c.in * k * k, 1 / std::sqrt(static_cast<float>(c.in * k * k)), w),
                      stored_b = weights(c.out, 0.5f, b);
           const Shape filters{c.out, c.in, k, k};
           const auto on_gpu = gpu_->pack_conv2d({const_cast<std::uint16_t*>(stored_w.data()), GetParam(), filters},
                                                 {const_cast<std::uint16_t*>(stored_b.data()), GetParam(), {c.out}}, c.geometry);
           const auto on_cpu = cpu_.pack_conv2d({w.data(), DType::float32, filters}, {b.data(), DType::float32, {c.out}}, c.geometry);
           const Both x = both({c.n, c.h, c.w, c.in}), scale = both({c.n, c.in}, DType::float32), shift = both({c.n, c.in}, DType::float32);
           Both row_bias = both({c.one_row_bias ? 1 : c.n, c.out});
           if (c.one_row_bias) row_bias = {row_bias.gpu.repeated(c.n), row_bias.cpu.repeated(c.n)};
           const Both residual = both({c.n, h, wide, c.out});
           const auto run = [&](bool gpu) {
             const auto of = [&](const Both& t) { return gpu ? t.gpu : t.cpu; };
             ops::Affine affine;
             if (c.prologue) affine = {of(scale), of(shift), Activation::silu};
             const ops::Fused fused{
                 .row_bias = c.row_bias ? of(row_bias) : Tensor(), .activation = c.activation, .residual = c.residual ? of(residual) : Tensor()};
             return ops::conv2d(of(x), gpu ? *on_gpu : *on_cpu, c.geometry, c.out, affine, fused, h, wide);
           };
           const Tensor expected = run(false);
           for (int turn = 0; turn < 2; ++turn) EXPECT_TRUE(close(run(true), expected, 6)) << "turn " << turn;
         });
  }
}

struct AttentionCase {
  std::int64_t n, tq, tk;
  int heads;
  std::int64_t d;
  bool causal = false, strided = false;
};

TEST_P(Cuda, AttentionEqualsTheCpus) {
  const AttentionCase cases[] = {
      {2, 4096, 4096, 8, 40}, {2, 1024, 1024, 8, 80},  {2, 256, 256, 8, 160},     {2, 64, 64, 8, 160},     {2, 4096, 77, 8, 40},
      {2, 256, 77, 8, 160},   {2, 1024, 1024, 10, 64}, {1, 77, 77, 12, 64, true}, {1, 1024, 1024, 1, 512}, {1, 100, 100, 1, 512},
      {3, 12, 7, 2, 8},       {1, 5, 5, 3, 10},        {2, 77, 77, 2, 20, true},  {1, 1, 1, 1, 4},         {2, 50, 60, 4, 32, false, true},
      {1, 33, 154, 8, 80}};
  for (const AttentionCase& c : cases) {
    each(concat(c.n, "x", c.tq, "x", c.tk, ", ", c.heads, " heads of ", c.d, c.causal ? " causal" : "", c.strided ? " strided" : ""), [&] {
      const std::int64_t width = c.heads * c.d, all = c.strided ? 2 * width : width;
      const auto cut = [&](Both t) { return c.strided ? Both{t.gpu.columns(width, width), t.cpu.columns(width, width)} : t; };
      const Both q = cut(both({c.n, c.tq, all})), k = cut(both({c.n, c.tk, all})), v = cut(both({c.n, c.tk, all}));
      Tensor expected = ops::attention(q.cpu, k.cpu, v.cpu, c.heads, c.causal);
      // Weights are rounded before they meet the values, too: their sum is 1.
      for (int turn = 0; turn < 2; ++turn)
        EXPECT_TRUE(close(ops::attention(q.gpu, k.gpu, v.gpu, c.heads, c.causal), expected, 12)) << "turn " << turn;
    });
  }
}

TEST_P(Cuda, NormsEqualTheCpus) {
  struct Case {
    Shape shape;
    int groups;
    float offset;
  };
  const Case cases[] = {{{2, 64, 64, 320}, 32, 0.3f}, {{2, 32, 32, 960}, 32, 0.3f}, {{2, 8, 8, 2560}, 32, 0}, {{1, 256, 256, 128}, 32, 4},
                        {{2, 16, 16, 1920}, 32, -1},  {{1, 5, 7, 12}, 3, 0.5f},     {{3, 127, 64}, 8, 0},     {{1, 64, 64, 65}, 5, 0.2f},
                        {{2, 1, 1, 960}, 32, 0},      {{1, 128, 128, 256}, 32, 30}, {{2, 3, 3, 6}, 2, 0}};
  for (const Case& c : cases) {
    each(concat(c.shape.to_string(), " in ", c.groups, " groups"), [&] {
      const Both x = both(c.shape, 1, c.offset), gamma = both({c.shape.back()}, DType::float32), beta = both({c.shape.back()}, DType::float32);
      const ops::Affine got = ops::group_norm_affine(x.gpu, gamma.gpu, beta.gpu, c.groups, 1e-5f, Activation::silu);
      const ops::Affine expected = ops::group_norm_affine(x.cpu, gamma.cpu, beta.cpu, c.groups, 1e-5f, Activation::silu);
      EXPECT_TRUE(close(got.scale, expected.scale, 1e-5 / unit()));
      EXPECT_TRUE(close(got.shift, expected.shift, 1e-4 / unit()));
      EXPECT_TRUE(close(ops::apply(got, x.gpu), ops::apply(expected, x.cpu), 3));
      EXPECT_TRUE(close(ops::layer_norm(x.gpu, gamma.gpu, beta.gpu, 1e-5f), ops::layer_norm(x.cpu, gamma.cpu, beta.cpu, 1e-5f), 3));
    });
  }
}

TEST_P(Cuda, GroupNormAtOnceEqualsTheCpus) {
  struct Case {
    Shape shape;
    int groups;
    float offset = 0.3f;
  };
  // Every number of packets that a thread keeps and of blocks in a cluster; rows that blocks share unevenly; maps that are too large, or too odd.
  const Case cases[] = {{{2, 64, 64, 320}, 32},   {{2, 64, 64, 640}, 32},     {{2, 64, 64, 960}, 32},   {{2, 32, 32, 320}, 32},
                        {{2, 32, 32, 640}, 32},   {{2, 32, 32, 1920}, 32},    {{2, 16, 16, 1280}, 32},  {{2, 16, 16, 2560}, 32, 5},
                        {{2, 8, 8, 1280}, 32},    {{2, 8, 8, 2560}, 32, -30}, {{1, 8, 8, 1280}, 32},    {{1, 64, 64, 512}, 32, 100},
                        {{1, 128, 128, 512}, 32}, {{2, 128, 128, 640}, 32},   {{2, 128, 128, 960}, 32}, {{1, 128, 128, 128}, 32},
                        {{8, 64, 64, 320}, 32},   {{2, 13, 7, 320}, 32},      {{1, 61, 67, 640}, 32},   {{3, 9, 1, 120}, 4},
                        {{1, 1, 1, 320}, 32},     {{5, 301, 1, 88}, 11},      {{2, 3, 3, 6}, 2},        {{1, 33, 5, 36}, 4}};
  for (const Case& c : cases) {
    each(concat(c.shape.to_string(), " in ", c.groups, " groups"), [&] {
      const Both x = both(c.shape, 1, c.offset), gamma = both({c.shape.back()}, DType::float32), beta = both({c.shape.back()}, DType::float32);
      for (const Activation a : {Activation::none, Activation::silu}) {
        const Tensor got = ops::group_norm(x.gpu, gamma.gpu, beta.gpu, c.groups, 1e-5f, a);
        EXPECT_TRUE(close(got, ops::group_norm(x.cpu, gamma.cpu, beta.cpu, c.groups, 1e-5f, a), 3));
        EXPECT_EQ(ops::group_norm(x.gpu, gamma.gpu, beta.gpu, c.groups, 1e-5f, a).to_host(), got.to_host()) << "not the same bits again";
        const Tensor in_place = x.gpu.clone();
        gpu_->group_norm(in_place.view(), gamma.gpu.view(), beta.gpu.view(), c.groups, 1e-5f, a, in_place.view());
        EXPECT_EQ(in_place.to_host(), got.to_host());
      }
    });
  }
  const Both x = both({1, 16, 16, 64}, DType::float32), gamma = both({64}, DType::float32), beta = both({64}, DType::float32);
  EXPECT_TRUE(close(ops::group_norm(x.gpu, gamma.gpu, beta.gpu, 8, 1e-5f, Activation::gelu),
                    ops::group_norm(x.cpu, gamma.cpu, beta.cpu, 8, 1e-5f, Activation::gelu), 3));
}

TEST_P(Cuda, ANormOfANumberThatIsNoneIsNone) {
  Both x = both({1, 64, 64, 320}), gamma = both({320}, DType::float32), beta = both({320}, DType::float32);
  std::vector<float> values = x.gpu.to_host();
  values[777 * 320 + 45] = NAN;  // group 4
  x.gpu.assign(Tensor::from_host(*gpu_, x.gpu.shape(), values.data()));
  const std::vector<float> got = ops::group_norm(x.gpu, gamma.gpu, beta.gpu, 32, 1e-5f, Activation::silu).to_host();
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_EQ(std::isnan(got[i]), i % 320 / 10 == 4) << i;
}

TEST_P(Cuda, BytesOfPixelsAreTheCpus) {
  for (const Shape& shape : {Shape{1, 64, 48, 3}, Shape{1, 1, 1, 3}}) {
    for (const DType type : {DType::float32, GetParam()}) {
      const Both x = both(shape, type, 0.8f);
      EXPECT_EQ(ops::to_bytes(x.gpu), ops::to_bytes(x.cpu));
    }
  }
  const std::vector<float> ends{-INFINITY, -1.5f, -1, -0.0f, 1, 1.5f, INFINITY, NAN};
  EXPECT_EQ(ops::to_bytes(Tensor::from_host(*gpu_, {1, 8}, ends.data())), (std::vector<std::uint8_t>{0, 0, 0, 128, 255, 255, 255, 0}));
}

TEST_P(Cuda, CopiesAreExact) {
  for (const Shape& shape : {Shape{2, 64, 320}, Shape{1, 7, 3}, Shape{2, 64, 64, 320}}) {
    for (const DType type : {DType::float32, GetParam()}) {
      const Both x = both(shape, type);
      EXPECT_EQ(x.gpu.clone().to_host(), x.gpu.to_host());
      EXPECT_EQ(x.gpu.slice(0, 1).clone().to_host(), x.cpu.slice(0, 1).clone().to_host());
    }
  }
}

TEST_P(Cuda, FloatsOfTheLoopAreTheCpusBitForBit) {
  const Both a = both({2, 31, 17, 4}, DType::float32), b = both({2, 31, 17, 4}, DType::float32), c = both({2, 31, 17, 4});
  const auto sum = [&](bool gpu) {
    const auto of = [&](const Both& t) { return gpu ? t.gpu : t.cpu; };
    return ops::combine({{0.1, of(a)}, {-1.7, of(b)}, {3.3, of(c)}}).to_host();
  };
  EXPECT_EQ(sum(true), sum(false));
  EXPECT_EQ(ops::combine({{0.1, a.gpu}, {-1.7, b.gpu}, {1, a.gpu}}).to_host(), ops::combine({{0.1, a.cpu}, {-1.7, b.cpu}, {1, a.cpu}}).to_host());
  EXPECT_EQ(ops::combine({{2.5, a.gpu}}).to_host(), ops::combine({{2.5, a.cpu}}).to_host());
  EXPECT_EQ(ops::add(a.gpu, b.gpu).to_host(), ops::add(a.cpu, b.cpu).to_host());
  EXPECT_EQ(ops::clamp(a.gpu, -0.5f, 0.25f).to_host(), ops::clamp(a.cpu, -0.5f, 0.25f).to_host());
  EXPECT_EQ(ops::concat_columns(a.gpu, b.gpu).to_host(), ops::concat_columns(a.cpu, b.cpu).to_host());
  EXPECT_EQ(ops::concat_columns(a.gpu, c.gpu).to_host(), ops::concat_columns(a.cpu, c.cpu).to_host());
  EXPECT_EQ(ops::concat_images(c.gpu, c.gpu).to_host(), ops::concat_images(c.cpu, c.cpu).to_host());
  EXPECT_EQ(ops::nhwc_to_nchw(a.gpu).to_host(), ops::nhwc_to_nchw(a.cpu).to_host());
  EXPECT_EQ(ops::nchw_to_nhwc(c.gpu).to_host(), ops::nchw_to_nhwc(c.cpu).to_host());
  EXPECT_EQ(ops::repeat_images(a.gpu, 3).to_host(), ops::repeat_images(a.cpu, 3).to_host());
  EXPECT_EQ(ops::tile_images(c.gpu, 6).to_host(), ops::tile_images(c.cpu, 6).to_host());
  const Both wide = both({2, 640, 320}), narrow = both({2, 640, 640});
  EXPECT_EQ(ops::concat_columns(wide.gpu, narrow.gpu).to_host(), ops::concat_columns(wide.cpu, narrow.cpu).to_host());
}

TEST_P(Cuda, ElementwiseEqualsTheCpus) {
  for (const Shape& shape : {Shape{2, 1000, 320}, Shape{1, 7, 3}}) {
    const Both x = both(shape, 6), y = both(shape);
    for (const Activation a : {Activation::none, Activation::silu, Activation::gelu, Activation::quick_gelu})
      EXPECT_TRUE(close(ops::activate(x.gpu, a), ops::activate(x.cpu, a), 2)) << static_cast<int>(a);
    EXPECT_TRUE(close(ops::add(x.gpu, y.gpu), ops::add(x.cpu, y.cpu), 2));
    const std::vector<float> got = ops::standard_deviation(x.gpu), expected = ops::standard_deviation(x.cpu);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5 * expected[i]);
  }
}

TEST_P(Cuda, TellsWhatIsNotFinite) {
  std::vector<float> values(100'003, 1.5f);
  const auto finite = [&] { return ops::is_finite(Tensor::from_host(*gpu_, {1, 100'003}, values.data())); };
  EXPECT_TRUE(finite());
  values[77'777] = NAN;
  EXPECT_FALSE(finite());
  values[77'777] = -INFINITY;
  EXPECT_FALSE(finite());
}

TEST_P(Cuda, EmbedsWords) {
  std::vector<float> table;
  const auto stored = weights(50 * 64, 1, table);
  const Tensor gpu = Tensor::stored(*gpu_, {const_cast<std::uint16_t*>(stored.data()), GetParam(), {50, 64}});
  const std::vector<std::int32_t> ids{49, 0, 7, 7};
  EXPECT_EQ(ops::embed(ids, gpu).to_host(), ops::embed(ids, Tensor::from_host(cpu_, {50, 64}, table.data())).to_host());
}

TEST_P(Cuda, MergesRowsAsTheCpu) {
  const Both x = both({2, 64, 40}), residual = both({2, 64, 40});
  std::vector<std::int32_t> sources, targets, slots;
  for (std::int32_t i = 0; i < 64; ++i) (i % 4 == 0 ? targets : sources).push_back(i);
  std::vector<std::int32_t> matches(2 * sources.size()), expected_matches(matches.size());
  std::vector<float> cosines(matches.size()), expected_cosines(matches.size());
  gpu_->match_rows(x.gpu.view(), sources, targets, matches, cosines);
  cpu_.match_rows(x.cpu.view(), sources, targets, expected_matches, expected_cosines);
  EXPECT_EQ(matches, expected_matches);
  for (std::size_t i = 0; i < cosines.size(); ++i) EXPECT_NEAR(cosines[i], expected_cosines[i], 1e-5);
  for (int n = 0; n < 2; ++n)
    for (std::int32_t i = 0; i < 64; ++i) slots.push_back(i % 48);
  const auto merged = [&](Backend& backend, const Both& t, bool gpu) {
    Tensor out = Tensor::empty(backend, {2, 48, 40}, gpu ? GetParam() : DType::float32),
           back = Tensor::empty(backend, {2, 64, 40}, gpu ? GetParam() : DType::float32);
    backend.mean_rows((gpu ? t.gpu : t.cpu).view(), slots, out.view());
    backend.spread_rows(out.view(), slots, (gpu ? residual.gpu : residual.cpu).view(), back.view());
    return back;
  };
  EXPECT_TRUE(close(merged(*gpu_, x, true), merged(cpu_, x, false), 3));
}

TEST_P(Cuda, ReplaysWhatItRecorded) {
  std::vector<float> w;
  const auto stored = weights(64 * 64, 0.1f, w);
  const auto packed = gpu_->pack_linear({const_cast<std::uint16_t*>(stored.data()), GetParam(), {64, 64}}, {}, false);
  const Both first = both({1, 32, 64}), second = both({1, 32, 64});
  const Tensor gamma = Tensor::from_host(*gpu_, {64}, w.data());
  const auto g = [&](const Tensor& x) { return ops::layer_norm(ops::linear(ops::activate(x, Activation::silu), *packed, 64), gamma, gamma, 1e-5f); };
  const std::vector<float> expected_first = g(first.gpu).to_host(), expected_second = g(second.gpu).to_host();
  const Tensor input = first.gpu.clone();
  Tensor result;
  const auto recording = gpu_->record([&] { result = g(input); });
  ASSERT_TRUE(recording);
  recording->replay();
  EXPECT_EQ(result.to_host(), expected_first);
  input.assign(second.gpu);
  g(first.gpu);  // memory between is not the recording's
  recording->replay();
  EXPECT_EQ(result.to_host(), expected_second);
}

TEST_P(Cuda, AFailureWhileRecordingLeavesTheBackendUsable) {
  EXPECT_ERROR(gpu_->record([&] { fail(ErrorKind::cancelled, "stop"); }), cancelled, "stop");
  const Both x = both({1, 8, 8});
  EXPECT_EQ(ops::add(x.gpu, x.gpu).dtype(), GetParam());
  EXPECT_TRUE(ops::is_finite(x.gpu));
}

TEST_P(Cuda, OutOfMemoryIsAnErrorAndTheNextCallWorks) {
  EXPECT_ERROR(Tensor::empty(*gpu_, {1 << 20, 1 << 20}), out_of_memory, "GPU", "MiB");
  EXPECT_TRUE(ops::is_finite(both({4, 4}).gpu));
}

TEST(CudaDevice, ThatIsNotThereIsRefused) {
  EXPECT_ERROR(backend_for("cuda:1000"), unsupported, "CUDA");
  EXPECT_ERROR(backend_for("cuda:x"), invalid_argument, "cuda:x");
  EXPECT_ERROR(backend_for("cuda", DType::float32), unsupported, "float32", "float16");
}

}  // namespace
}  // namespace impasto
