// Attention at the shapes of Stable Diffusion, guided (batch 2), beside a naive rival: three passes that hold the score matrix.
//
// GFLOP/s counts 4 tq tk d heads images: both products, not the exponentials (one per score).
#include <algorithm>
#include <cmath>
#include <vector>

#include <benchmark/benchmark.h>

#include "backend/cpu/cpu_backend.h"
#include "core/threads.h"

namespace impasto {
namespace {

struct Operands {
  explicit Operands(const benchmark::State& state)
      : images(state.range(0)), tq(state.range(1)), tk(state.range(2)), heads(state.range(3)), d(state.range(4)) {
    const std::int64_t width = heads * d;
    q_memory = filled(images * tq * width * 3);
    kv_memory = filled(images * tk * width * 3);
    out_memory = filled(images * tq * width);
    q = {q_memory.data(), DType::float32, {images, tq, width}, 3 * width};
    k = {kv_memory.data() + width, DType::float32, {images, tk, width}, 3 * width};
    v = {kv_memory.data() + 2 * width, DType::float32, {images, tk, width}, 3 * width};
    out = {out_memory.data(), DType::float32, {images, tq, width}};
  }

  static std::vector<float> filled(std::int64_t n) {
    std::vector<float> values(static_cast<std::size_t>(n));
    std::uint32_t state = 1;
    for (float& x : values) x = static_cast<float>(static_cast<std::int32_t>(state = state * 1664525u + 1013904223u)) * 0x1p-30f;
    return values;
  }

  float scale() const { return 1.0f / std::sqrt(static_cast<float>(d)); }
  void count_flops(benchmark::State& state) const {
    state.counters["GFLOP/s"] =
        benchmark::Counter(4e-9 * static_cast<double>(images * heads * tq * tk * d), benchmark::Counter::kIsIterationInvariantRate);
    state.counters["FLOP/byte"] = static_cast<double>(tq * tk) / static_cast<double>(2 * (tq + tk));  // of Q, K, V and the result
  }

  std::int64_t images, tq, tk, heads, d;
  std::vector<float> q_memory, kv_memory, out_memory;
  TensorView q, k, v, out;
};

void attention_blocked(benchmark::State& state, DType arithmetic) {
  const Operands o(state);
  CpuBackend backend(arithmetic);
  for (auto _ : state) backend.attention(o.q, o.k, o.v, static_cast<int>(o.heads), o.scale(), /*causal=*/false, o.out);
  o.count_flops(state);
}

/// out = softmax(q k^T) v of one head, row by row in three passes over whole rows of scores.
void naive_head(const Operands& o, std::int64_t image, std::int64_t head, std::vector<float>& scores) {
  const std::int64_t first = head * o.d;
  for (std::int64_t i = image * o.tq; i < (image + 1) * o.tq; ++i) {
    float* row = scores.data() + (i - image * o.tq) * o.tk;
    float peak = -1e30f, sum = 0;
    for (std::int64_t j = 0; j < o.tk; ++j) {
      float s = 0;
      for (std::int64_t c = first; c < first + o.d; ++c) s += o.q.row(i)[c] * o.k.row(image * o.tk + j)[c];
      peak = std::max(peak, row[j] = s * o.scale());
    }
    for (std::int64_t j = 0; j < o.tk; ++j) sum += row[j] = std::exp(row[j] - peak);
    std::fill_n(o.out.row(i) + first, o.d, 0.0f);
    for (std::int64_t j = 0; j < o.tk; ++j)
      for (std::int64_t c = first; c < first + o.d; ++c) o.out.row(i)[c] += row[j] / sum * o.v.row(image * o.tk + j)[c];
  }
}

void attention_naive(benchmark::State& state) {
  const Operands o(state);
  for (auto _ : state) {
    parallel_for(o.images * o.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scores(static_cast<std::size_t>(o.tq * o.tk));
      for (std::int64_t i = begin; i < end; ++i) naive_head(o, i / o.heads, i % o.heads, scores);
    });
  }
  o.count_flops(state);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "tq", "tk", "heads", "d"})->UseRealTime()->Unit(benchmark::kMillisecond);
  b->Args({2, 4096, 4096, 8, 40});  // SD 1.x, 64 x 64
  b->Args({2, 1024, 1024, 8, 80});  // 32 x 32
  b->Args({2, 256, 256, 8, 160});   // 16 x 16
  b->Args({2, 64, 64, 8, 160});     // 8 x 8
  b->Args({2, 4096, 77, 8, 40});    // its text
  b->Args({2, 1024, 77, 8, 80});
  b->Args({2, 4096, 4096, 5, 64});   // SD 2.x, 64 x 64
  b->Args({2, 9216, 9216, 5, 64});   // 96 x 96
  b->Args({2, 1024, 1024, 10, 64});  // 32 x 32
  b->Args({1, 4096, 4096, 1, 512});  // the VAE's one head
}

BENCHMARK_CAPTURE(attention_blocked, float32, DType::float32)->Apply(shapes);
BENCHMARK_CAPTURE(attention_blocked, bfloat16, DType::bfloat16)->Apply(shapes);
BENCHMARK_CAPTURE(attention_blocked, float16, DType::float16)->Apply(shapes);
BENCHMARK(attention_naive)
    ->ArgNames({"images", "tq", "tk", "heads", "d"})
    ->Args({2, 1024, 1024, 8, 80})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace impasto
