// Products and convolutions at every layer shape of Stable Diffusion 1.5's guided step (batch 2, 64 x 64 latents) and of its autoencoder
// (512 x 512 pixels), beside oneDNN's float32 on the same shapes.
//
// Ours reads float16 weights as a checkpoint stores them; oneDNN gets float32 weights, reordered once to what it likes best. It runs
// convolutions in NHWC and in its own blocked layout, which a whole network could keep. Both add the bias; "fused" is ours as the network
// uses it: normalisation and SiLU applied in the load, a row for each image (or a residual) added in the store. GFLOP/s count direct
// convolution's 2 * pixels * in * out * 9, so that Winograd's savings show as speed. `peak` is the share of tile_from_cache, which repeats
// one tile's product out of the first-level cache: within 1 % of the rate of a loop of nothing but multiply-adds.
#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <benchmark/benchmark.h>
#include <dnnl.hpp>

#include "backend/cpu/block_pool.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/gemm_kernels.h"
#include "backend/cpu/isa.h"
#include "core/threads.h"

namespace impasto {
namespace {

struct LinearShape {
  const char* name;
  std::int64_t rows, in, out;
  bool gated;
};

constexpr LinearShape kLinears[] = {
    {"attention_64", 8192, 320, 320, false},    {"geglu_64", 8192, 320, 1280, true},          {"feed_forward_64", 8192, 1280, 320, false},
    {"attention_32", 2048, 640, 640, false},    {"geglu_32", 2048, 640, 2560, true},          {"feed_forward_32", 2048, 2560, 640, false},
    {"attention_16", 512, 1280, 1280, false},   {"geglu_16", 512, 1280, 5120, true},          {"feed_forward_16", 512, 5120, 1280, false},
    {"attention_8", 128, 1280, 1280, false},    {"geglu_8", 128, 1280, 5120, true},           {"feed_forward_8", 128, 5120, 1280, false},
    {"context_320", 154, 768, 320, false},      {"context_1280", 154, 768, 1280, false},      {"time_embedding", 2, 1280, 1280, false},
    {"shortcut_64_640", 8192, 640, 320, false}, {"shortcut_32_1920", 2048, 1920, 640, false},
};

struct ConvShape {
  const char* name;
  std::int64_t images, in, out, side;
  int stride = 1, upsample = 1;

  ConvGeometry geometry() const { return {.kernel = 3, .stride = stride, .pad_begin = 1, .pad_end = 1, .upsample = upsample}; }
  std::int64_t out_side() const { return geometry().output(side); }
  double gflop() const { return 18e-9 * static_cast<double>(images * in * out * out_side() * out_side()); }
};

constexpr ConvShape kConvs[] = {
    {"conv_in", 2, 4, 320, 64},          {"unet_64", 2, 320, 320, 64},      {"unet_64_640", 2, 640, 320, 64},  {"unet_64_960", 2, 960, 320, 64},
    {"unet_32_320", 2, 320, 640, 32},    {"unet_32", 2, 640, 640, 32},      {"unet_32_960", 2, 960, 640, 32},  {"unet_32_1280", 2, 1280, 640, 32},
    {"unet_32_1920", 2, 1920, 640, 32},  {"unet_16_640", 2, 640, 1280, 16}, {"unet_16", 2, 1280, 1280, 16},    {"unet_16_1920", 2, 1920, 1280, 16},
    {"unet_16_2560", 2, 2560, 1280, 16}, {"unet_8", 2, 1280, 1280, 8},      {"unet_8_2560", 2, 2560, 1280, 8}, {"conv_out", 2, 320, 4, 64},
    {"down_64", 2, 320, 320, 64, 2},     {"down_32", 2, 640, 640, 32, 2},   {"down_16", 2, 1280, 1280, 16, 2}, {"up_8", 2, 1280, 1280, 8, 1, 2},
    {"up_16", 2, 1280, 1280, 16, 1, 2},  {"up_32", 2, 640, 640, 32, 1, 2},  {"vae_64", 1, 512, 512, 64},       {"vae_128", 1, 512, 512, 128},
    {"vae_256", 1, 512, 512, 256},       {"vae_256_256", 1, 256, 256, 256}, {"vae_512_256", 1, 256, 256, 512}, {"vae_512_128", 1, 128, 128, 512},
    {"vae_out", 1, 128, 3, 512},
};

/// Huge pages, as the engine's tensors have.
BlockPool& pool() {
  static BlockPool pool;
  return pool;
}

// A float32 or float16 operand of repeatable values around zero, which repeat themselves.
class Operand {
 public:
  Operand(Shape shape, DType dtype = DType::float32)
      : view_(nullptr, dtype, shape), memory_(std::make_unique<Scratch>(pool(), static_cast<std::size_t>(view_.bytes() / 4 + 1))) {
    constexpr std::int64_t kPeriod = 65537;
    std::minstd_rand random(1);
    view_.data = memory_->data();
    for (std::int64_t i = 0; i < view_.count(); ++i) {
      const auto bits = i < kPeriod ? static_cast<std::uint32_t>(random()) : 0;
      if (dtype == DType::float32) {
        view_.as<float>()[i] = i < kPeriod ? static_cast<float>(bits & 0xFFFF) * 0x1p-16f - 0.5f : view_.as<float>()[i - kPeriod];
      } else {
        auto* const values = view_.as<std::uint16_t>();
        values[i] = i < kPeriod ? static_cast<std::uint16_t>((bits & 0x83FF) | (8 + (bits >> 16) % 4) << 10) : values[i - kPeriod];  // up to 2^-3
      }
    }
  }
  operator TensorView() const { return view_; }
  void* data() const { return view_.data; }

 private:
  TensorView view_;
  std::unique_ptr<Scratch> memory_;
};

double peak_gflops = 0;

void report(benchmark::State& state, double gflop) {
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(gflop, Counter::kIsIterationInvariantRate);
  if (peak_gflops > 0) state.counters["peak"] = Counter(gflop / peak_gflops, Counter::kIsIterationInvariantRate);
}

/// Every thread multiplies one tile again and again; returns the GFLOP done.
double multiply_one_tile() {
  const GemmKernels& k = gemm_kernels();
  constexpr std::int64_t kDepth = 128, kTimes = 20000;
  parallel_run([&](int, int) {
    std::vector<float> a(static_cast<std::size_t>(k.rows * kDepth), 1e-3f), b(static_cast<std::size_t>(k.width * kDepth), 1e-3f);
    alignas(64) float c[GemmKernels::kMaxRows * GemmKernels::kMaxWidth];
    for (std::int64_t i = 0; i < kTimes; ++i) k.multiply[k.rows](a.data(), kDepth, b.data(), kDepth, c);
    benchmark::DoNotOptimize(c);
  });
  return 2e-9 * static_cast<double>(k.rows * k.width * kDepth * kTimes * num_threads());
}

/// How much is done for each byte that has to come from memory or go there, were the caches boundless: the roofline's other axis.
void report_intensity(benchmark::State& state, double gflop, std::initializer_list<TensorView> operands) {
  double bytes = 0;
  for (const TensorView& operand : operands) bytes += static_cast<double>(operand.bytes());
  state.counters["FLOP/byte"] = 1e9 * gflop / bytes;
}

/// Every thread reads its part of 512 MiB: the roof's slope.
void read_memory(benchmark::State& state) {
  const Operand operand({std::int64_t{1} << 17, 1024});
  const TensorView view = operand;
  for (auto _ : state)
    parallel_for(view.shape[0], 64, [&](std::int64_t begin, std::int64_t end) {
      float sums[16] = {};
      for (const float *x = view.row(begin), *last = view.row(end); x < last; x += 16)
        for (int i = 0; i < 16; ++i) sums[i] += x[i];
      benchmark::DoNotOptimize(sums);
    });
  state.counters["GB/s"] = benchmark::Counter(1e-9 * static_cast<double>(view.bytes()), benchmark::Counter::kIsIterationInvariantRate);
}

void tile_from_cache(benchmark::State& state) {
  double gflop = 0;
  for (auto _ : state) gflop = multiply_one_tile();
  report(state, gflop);
}

// --- ours

double gflop_of(const LinearShape& s) { return 2e-9 * static_cast<double>(s.rows * s.in * s.out * (s.gated ? 2 : 1)); }

void linear_ours(benchmark::State& state, const LinearShape& s, DType arithmetic) {
  CpuBackend backend(arithmetic);
  const std::int64_t weight_rows = s.gated ? 2 * s.out : s.out;
  const Operand rows({s.rows, s.in + 16}), w({weight_rows, s.in}, DType::float16), bias({weight_rows}), out({s.rows, s.out});
  TensorView x = rows;  // spread as ops::gated_linear spreads them
  if (s.in % 1024 != 0) x.row_stride = s.in;
  x.shape = {s.rows, s.in};
  const auto packed = backend.pack_linear(w, bias, s.gated);
  for (auto _ : state) backend.linear(x, *packed, {}, out);
  report(state, gflop_of(s));
  report_intensity(state, gflop_of(s), {x, w, out});
}

void conv_ours(benchmark::State& state, const ConvShape& s, bool fused, DType arithmetic = DType::float32) {
  CpuBackend backend(arithmetic);
  const Operand x({s.images, s.side, s.side, s.in}), w({s.out, s.in, 3, 3}, DType::float16), bias({s.out});
  const Operand out({s.images, s.out_side(), s.out_side(), s.out}), scale({s.images, s.in}), shift({s.images, s.in}), row({s.images, s.out});
  const auto packed = backend.pack_conv2d(w, bias, s.geometry());
  Prologue prologue;
  Epilogue epilogue;
  if (fused) {
    prologue = {scale, shift, Activation::silu};
    epilogue.row_bias = row;
  }
  for (auto _ : state) backend.conv2d(x, *packed, prologue, epilogue, out);
  report(state, s.gflop());
  report_intensity(state, s.gflop(), {x, w, out});
}

// --- oneDNN

using Tag = dnnl::memory::format_tag;
using Dims = dnnl::memory::dims;

struct Rival {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  dnnl::memory::desc described(const Dims& dims, Tag tag) const { return {dims, dnnl::memory::data_type::f32, tag}; }
  /// The same values in the layout that the primitive chose.
  dnnl::memory reordered(dnnl::memory from, const dnnl::memory::desc& to) {
    if (from.get_desc() == to) return from;
    dnnl::memory result(to, engine);
    dnnl::reorder(from, result).execute(stream, from, result);
    stream.wait();
    return result;
  }
};

void linear_onednn(benchmark::State& state, const LinearShape& s) {
  Rival r;
  const std::int64_t columns = s.gated ? 2 * s.out : s.out;  // the gate itself is left out
  const Operand x({s.rows, s.in}), w({columns, s.in}), bias({columns}), out({s.rows, columns});
  const auto src = r.described({s.rows, s.in}, Tag::ab), dst = r.described({s.rows, columns}, Tag::ab), b = r.described({1, columns}, Tag::ab);
  const dnnl::matmul::primitive_desc pd({src, r.described({s.in, columns}, Tag::any), b, dst}, r.engine);
  const dnnl::memory weights = r.reordered({r.described({s.in, columns}, Tag::ba), r.engine, w.data()}, pd.weights_desc());
  const dnnl::matmul primitive(pd);
  const std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, {src, r.engine, x.data()}},
                                                        {DNNL_ARG_WEIGHTS, weights},
                                                        {DNNL_ARG_BIAS, {b, r.engine, bias.data()}},
                                                        {DNNL_ARG_DST, {dst, r.engine, out.data()}}};
  for (auto _ : state) {
    primitive.execute(r.stream, arguments);
    r.stream.wait();
  }
  report(state, gflop_of(s));
}

/// The upsampling is left out: oneDNN gets the larger input.
void conv_onednn(benchmark::State& state, const ConvShape& s, Tag layout) {
  Rival r;
  const std::int64_t side = s.side * s.upsample, out_side = s.out_side();
  const Operand x({s.images, side, side, s.in}), w({s.out, s.in, 3, 3}), bias({s.out});
  const Dims src_dims{s.images, s.in, side, side}, dst_dims{s.images, s.out, out_side, out_side};
  const auto b = r.described({s.out}, Tag::a);
  const dnnl::convolution_forward::primitive_desc pd(
      {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, r.described(src_dims, layout),
       r.described({s.out, s.in, 3, 3}, Tag::any), b, r.described(dst_dims, layout), Dims{s.stride, s.stride}, Dims{1, 1}, Dims{1, 1}},
      r.engine);
  const dnnl::memory src = r.reordered({r.described(src_dims, Tag::nhwc), r.engine, x.data()}, pd.src_desc());
  const dnnl::memory weights = r.reordered({r.described({s.out, s.in, 3, 3}, Tag::oihw), r.engine, w.data()}, pd.weights_desc());
  const dnnl::convolution_forward primitive(pd);
  const std::unordered_map<int, dnnl::memory> arguments{
      {DNNL_ARG_SRC, src}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, {b, r.engine, bias.data()}}, {DNNL_ARG_DST, {pd.dst_desc(), r.engine}}};
  for (auto _ : state) {
    primitive.execute(r.stream, arguments);
    r.stream.wait();
  }
  report(state, s.gflop());
}

template <typename F>
void add(const std::string& name, F f) {
  benchmark::RegisterBenchmark(name.c_str(), [f](benchmark::State& state) { f(state); })->UseRealTime()->Unit(benchmark::kMillisecond);
}

void add_all() {
  add("tile_from_cache", tile_from_cache);
  add("read_memory", read_memory);
  for (const LinearShape& s : kLinears) {
    const std::string name = std::string("linear/") + s.name;
    add(name + "/impasto", [&s](benchmark::State& state) { linear_ours(state, s, DType::float32); });
    add(name + "/impasto_bf16", [&s](benchmark::State& state) { linear_ours(state, s, DType::bfloat16); });
    add(name + "/impasto_f16", [&s](benchmark::State& state) { linear_ours(state, s, DType::float16); });
    add(name + "/onednn", [&s](benchmark::State& state) { linear_onednn(state, s); });
  }
  for (const ConvShape& s : kConvs) {
    const std::string name = std::string("conv/") + s.name;
    add(name + "/impasto", [&s](benchmark::State& state) { conv_ours(state, s, /*fused=*/false); });
    add(name + "/impasto_fused", [&s](benchmark::State& state) { conv_ours(state, s, /*fused=*/true); });
    add(name + "/impasto_f16", [&s](benchmark::State& state) { conv_ours(state, s, /*fused=*/false, DType::float16); });
    add(name + "/onednn_nhwc", [&s](benchmark::State& state) { conv_onednn(state, s, Tag::nhwc); });
    add(name + "/onednn_blocked", [&s](benchmark::State& state) { conv_onednn(state, s, Tag::any); });
  }
}

/// The best of a few tenths of a second, for the shares printed beside each result.
double measured_peak() {
  double best = 0;
  for (int round = 0; round < 10; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const double gflop = multiply_one_tile();
    best = std::max(best, gflop / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace
}  // namespace impasto

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  impasto::peak_gflops = impasto::measured_peak();
  benchmark::AddCustomContext("isa", std::string(impasto::isa()));
  benchmark::AddCustomContext("threads", std::to_string(impasto::num_threads()));
  benchmark::AddCustomContext("peak GFLOP/s", std::to_string(impasto::peak_gflops));
  impasto::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
