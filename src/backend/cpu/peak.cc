// What the processor is, and how fast it multiplies when nothing is in the way.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "core/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/peak.cc"
#include "backend/cpu/isa.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "backend/cpu/amx-inl.h"
#include "backend/cpu/float16-inl.h"
#include "backend/cpu/words-inl.h"

HWY_BEFORE_NAMESPACE();
namespace impasto::HWY_NAMESPACE {
namespace {

/// Independent chains: more than latency times throughput (4 x 2), within the registers.
constexpr int kChains = HWY_TARGET == HWY_AVX3 ? 16 : 10;

/// sum = sum * a + b, so that nothing can be computed once before the loop.
struct Float32Chain {
  using Sum = hn::Vec<hn::ScalableTag<float>>;
  static constexpr int kProducts = hn::MaxLanes(hn::ScalableTag<float>());  // at once
  Sum a, b;
  static HWY_INLINE Sum start(float x) { return hn::Set(hn::ScalableTag<float>(), x); }
  static HWY_INLINE float value(Sum sum) { return hn::GetLane(sum); }
  static HWY_INLINE Float32Chain make() { return {hn::Set(hn::ScalableTag<float>(), 0.5f), hn::Set(hn::ScalableTag<float>(), 1.0f)}; }
  HWY_INLINE Sum operator()(Sum sum) const { return hn::MulAdd(sum, a, b); }
};

#if HWY_TARGET == HWY_AVX3
struct BFloat16Chain {
  using Sum = Float32Chain::Sum;
  static constexpr int kProducts = BFloat16Dot::kColumns * Float32Chain::kProducts;
  BFloat16Dot::Vector a, b;
  static HWY_INLINE BFloat16Chain make() {
    const float words[64] = {};
    return {BFloat16Dot::load(words), BFloat16Dot::load(words + 1)};
  }
  static HWY_INLINE Sum start(float x) { return Float32Chain::start(x); }
  static HWY_INLINE float value(Sum sum) { return Float32Chain::value(sum); }
  HWY_INLINE Sum operator()(Sum sum) const { return BFloat16Dot::multiply_add(a, b, sum); }
};

struct Float16Chain {
  using Sum = Float16::Sum;
  static constexpr int kProducts = Float16::kOutputs;
  Float16::Vector a, b;
  static HWY_INLINE Float16Chain make() { return {Float16::set(0.0f), Float16::set(1.0f)}; }
  static HWY_INLINE Sum start(float x) { return Float16::set(x); }
  static HWY_INLINE float value(Sum sum) {
    float halves[Float16::kFloats];
    Float16::store(sum, halves);
    return hn::GetLane(Float16::first_half(halves));
  }
  HWY_INLINE Sum operator()(Sum sum) const { return Float16::multiply_add(a, b, sum); }
};
#endif

/// Returns the operations done in `turns` turns.
template <class Chain>
double run_chains(std::int64_t turns, float* result) {
  const Chain next = Chain::make();
  typename Chain::Sum sum[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sum[i] = Chain::start(static_cast<float>(i));  // equal chains would be computed once
  for (std::int64_t t = 0; t < turns; ++t) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sum[i] = next(sum[i]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) *result += Chain::value(sum[i]);
  return 2.0 * Chain::kProducts * kChains * static_cast<double>(turns);
}

#if HWY_TARGET == HWY_AVX3
double run_tiles(std::int64_t turns) {
  Amx::configure();
  Amx::zero<4>(), Amx::zero<5>(), Amx::zero<6>(), Amx::zero<7>();
  for (std::int64_t t = 0; t < turns; ++t)
    Amx::multiply_add<0, 4, 6>(), Amx::multiply_add<1, 4, 7>(), Amx::multiply_add<2, 5, 6>(), Amx::multiply_add<3, 5, 7>();
  Amx::release();
  return 4 * 16384.0 * static_cast<double>(turns);
}
#endif

}  // namespace

/// Without instructions for them, factors of 16 bits are multiplied as float32.
double run_multiply_adds([[maybe_unused]] DType factors, std::int64_t turns, float* result) {
#if HWY_TARGET == HWY_AVX3
  if (factors == DType::bfloat16 && has_tiles()) return run_tiles(turns / 16);
  if (factors == DType::bfloat16 && has_bfloat16_instructions()) return run_chains<BFloat16Chain>(turns, result);
  if (factors == DType::float16 && has_float16_instructions()) return run_chains<Float16Chain>(turns, result);
#endif
  return run_chains<Float32Chain>(turns, result);
}

}  // namespace impasto::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace impasto {
namespace {

HWY_EXPORT(run_multiply_adds);

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown processor";
}

}  // namespace

DeviceDescription CpuBackend::describe() const { return {processor_name(), std::string(isa())}; }

// The best of some turns: whatever else runs on the machine can only slow one down.
double CpuBackend::measure_peak_gflops(DType factors) {
  constexpr std::int64_t kTurns = 200000;  // about a millisecond
  double best = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<double> done(static_cast<std::size_t>(num_threads()), 0.0);
    std::vector<float> results(done.size() * 16, 0.0f);
    const auto start = std::chrono::steady_clock::now();
    parallel_run([&](int thread, int) {
      const auto t = static_cast<std::size_t>(thread);
      done[t] = IMPASTO_DISPATCH(run_multiply_adds)(factors, kTurns, &results[16 * t]);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double all = 0;
    for (double d : done) all += d;
    best = std::max(best, 1e-9 * all / seconds);
  }
  return best;
}

}  // namespace impasto
#endif
