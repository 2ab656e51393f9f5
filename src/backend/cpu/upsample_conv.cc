// A 3x3 convolution of a map enlarged twofold, without the enlarged map: its pixels come in four phases, by whether their row and column are even,
// and the taps of a phase fall on 2 x 2 pixels of the small map. Weights whose taps fall on the same pixel are added up beforehand, once:
//
//   enlarged row 2i     sees small rows i-1, i, i      weights  w0, w1 + w2
//   enlarged row 2i+1   sees small rows i, i, i+1      weights  w0 + w1, w2
//
// and columns alike: four products of 4 taps on a quarter of the pixels each, 4/9 of the multiplications. Winograd's F(4x4, 3x3) does with 1/4, so
// this is for where tiles (AMX) make plain products the faster way.
#include "backend/cpu/conv.h"
#include "backend/cpu/cpu_backend.h"
#include "core/threads.h"

namespace impasto {
namespace {

constexpr int kPhases = 4, kTaps = 4, kStoredTaps = 9;

/// Which of a phase's two rows (or columns) of the small map a tap of the kernel falls on.
constexpr int place_of(int tap, int phase) { return phase == 0 ? (tap > 0) : (tap > 1); }

/// weights [9] of one pair of channels, summed for a phase: out [4].
void sum_taps(const float* w, int row_phase, int column_phase, std::uint16_t* out) {
  float sums[kTaps] = {};
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 3; ++x) sums[place_of(y, row_phase) * 2 + place_of(x, column_phase)] += w[y * 3 + x];
  for (int t = 0; t < kTaps; ++t) out[t] = float32_to_bfloat16(sums[t]);
}

}  // namespace

std::vector<std::uint16_t> CpuBackend::phase_weights(const TensorView& weight) {
  const std::int64_t outputs = weight.shape[0], inputs = weight.shape[1];
  std::vector<std::uint16_t> phases(static_cast<std::size_t>(kPhases * outputs * inputs * kTaps));
  const Scratch memory(pool_, static_cast<std::size_t>(weight.count()));
  widen(weight, TensorView(memory.data(), DType::float32, weight.shape));
  parallel_for(outputs, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pair = begin * inputs; pair < end * inputs; ++pair)
      for (int phase = 0; phase < kPhases; ++phase)
        sum_taps(memory.data() + pair * kStoredTaps, phase / 2, phase % 2, phases.data() + (phase * outputs * inputs + pair) * kTaps);
  });
  return phases;
}

void CpuBackend::conv_by_phases(const TensorView& x, const ConvWeights& w, const Epilogue& epilogue, const TensorView& out) {
  const std::int64_t width = x.shape[2], inputs = x.shape[3], outputs = out.shape[3];
  for (int phase = 0; phase < kPhases; ++phase) {
    const int row = phase / 2, column = phase % 2;
    TileTarget target = tile_target(out, w.bias.data(), epilogue, /*gated=*/false);
    target.out += (row * 2 * width + column) * out.row_stride;
    target.out_stride = 2 * out.row_stride;
    target.line = width, target.line_stride = 4 * width * out.row_stride;
    target.rows_per_image = x.shape[1] * width;
    const StoredRows weights{w.phases.data() + phase * outputs * inputs * kTaps, DType::bfloat16, outputs, inputs * kTaps};
    const ConvWindow window{
        .kernel = 2, .top = 1 - row, .left = 1 - column, .height = x.shape[1], .width = width, .out_height = x.shape[1], .out_width = width};
    gemm_taps(pool_, gemm_kernels(DType::bfloat16), x, {}, window, weights, target);
  }
}

}  // namespace impasto
