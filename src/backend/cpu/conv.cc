// Convolution as a product whose rows are gathered from the input: out[pixel, o] = sum over taps and channels of x[tap of pixel, c] w[o, c, tap].
#include "backend/cpu/conv.h"

#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/gemm.h"
#include "backend/cpu/isa.h"

namespace impasto {
namespace {

/// One row per output pixel: taps side by side, each all channels of one input pixel through the prologue, or zeros outside.
class TapRows final : public RowSource {
 public:
  TapRows(const TensorView& x, const Prologue& prologue, const ConvWindow& window) : x_(x), prologue_(prologue), window_(window) {}

  const float* rows(std::int64_t row, int count, const DepthBlock& block, float* scratch, std::ptrdiff_t* stride) const override {
    *stride = spread_stride(block.count);
    for (int i = 0; i < count; ++i) gather(row + i, block, scratch + i * *stride);
    return scratch;
  }

  std::int64_t scratch_floats(int max_rows, std::int64_t depth) const override { return max_rows * spread_stride(depth); }

 private:
  void gather(std::int64_t pixel, const DepthBlock& block, float* out) const {
    const ConvWindow& w = window_;
    const std::int64_t image = pixel / (w.out_height * w.out_width), channel = block.first / block.taps, channels = block.count / block.taps;
    const std::int64_t top = pixel / w.out_width % w.out_height * w.stride - w.top, left = pixel % w.out_width * w.stride - w.left;
    const RowMap map = row_map(image, channel);
    for (std::int64_t y = top; y < top + w.kernel; ++y)
      for (std::int64_t x = left; x < left + w.kernel; ++x, out += channels) {
        const bool inside = y >= 0 && y < w.height && x >= 0 && x < w.width;
        if (inside) {
          kernels_.map_row(x_.row((image * x_.shape[1] + y / w.upsample) * x_.shape[2] + x / w.upsample) + channel, channels, map, out);
        } else {
          std::fill_n(out, channels, 0.0f);
        }
      }
  }

  RowMap row_map(std::int64_t image, std::int64_t channel) const {
    if (!prologue_.scale) return {};
    return {prologue_.scale.row(image) + channel, prologue_.shift.row(image) + channel, prologue_.activation};
  }

  const TensorView& x_;
  const Prologue& prologue_;
  const ConvWindow& window_;
  const GemmKernels& kernels_ = gemm_kernels();
};

bool is_product(const ConvGeometry& g) { return g.kernel == 1 && g.stride == 1 && g.pad_begin == 0 && g.pad_end == 0 && g.upsample == 1; }

/// A tile of float16 has 64 columns where one of float32 has 32: a network's last few outputs take longer in it, and lose precision.
constexpr std::int64_t kFewOutputs = 16;

/// Whether F(4x4, 3x3) takes less time, from cycles for each pair of an input and an output channel, at 16 multiply-adds a cycle:
///   direct    9 pixels / 16, and 9 to widen the nine weights
///   Winograd  36 tiles / 16, and 20 to transform them to 36 (once per 128 tiles: measured on Zen 4)
/// so that only outputs of a few pixels are better off without (4 x 4: 18 against 22; 8 x 8: 45 against 29). F(2x2, 3x3) would multiply
/// 16 times for a quarter of such a tile, 1.8 times as often as F(4x4); by this reckoning it could win only where direct does now, at sizes
/// that a 512 x 512 picture does not have. The size of one image decides, not the batch: an image's bits must not depend on its company.
bool winograd_wins(const ConvGeometry& g, std::int64_t height, std::int64_t width) {
  if (!winograd_applies(g)) return false;
  const std::int64_t tiles = (height + 3) / 4 * ((width + 3) / 4);
  return 36 * tiles + 20 * 16 * ((tiles + 127) / 128) < 9 * height * width + 9 * 16;
}

}  // namespace

std::unique_ptr<PackedWeights> CpuBackend::pack_conv2d(const TensorView& weight, const TensorView& bias, const ConvGeometry& geometry) {
  auto packed = std::make_unique<ConvWeights>();
  packed->weight = {weight.data, weight.dtype, weight.shape[0], weight.count() / std::max<std::int64_t>(1, weight.shape[0])};
  packed->bias = padded_bias(bias, weight.shape[0]);
  packed->geometry = geometry;
  if (geometry.upsample == 2 && arithmetic_ == DType::bfloat16 && has_tiles()) packed->phases = phase_weights(weight);
  return packed;
}

void gemm_taps(BlockPool& pool, const GemmKernels& kernels, const TensorView& x, const Prologue& prologue, const ConvWindow& window,
               const StoredRows& weights, const TileTarget& target) {
  const std::int64_t rows = x.shape[0] * window.out_height * window.out_width;
  gemm(pool, kernels, TapRows(x, prologue, window), rows, weights, window.kernel * window.kernel, target);
}

void direct_conv(BlockPool& pool, const GemmKernels& kernels, const TensorView& x, const ConvWeights& w, const Prologue& prologue,
                 const Epilogue& epilogue, const TensorView& out) {
  const TileTarget target = tile_target(out, w.bias.data(), epilogue, /*gated=*/false);
  if (is_product(w.geometry) && !prologue.scale) {
    gemm(pool, kernels, DenseRows(x.as<float>(), x.row_stride), out.rows(), w.weight, /*taps=*/1, target);
  } else {
    const ConvGeometry& g = w.geometry;
    const ConvWindow window{.kernel = g.kernel,
                            .stride = g.stride,
                            .upsample = g.upsample,
                            .top = g.pad_begin,
                            .left = g.pad_begin,
                            .height = g.enlarged(x.shape[1], out.shape[1]),
                            .width = g.enlarged(x.shape[2], out.shape[2]),
                            .out_height = out.shape[1],
                            .out_width = out.shape[2]};
    gemm_taps(pool, kernels, x, prologue, window, w.weight, target);
  }
}

/// Tiles multiply 16 times as often as vectors of float32 do, so that nine products take less time than Winograd's transforms, and an activation for
/// each tap would take longer than they.
void CpuBackend::conv_by_tiles(const TensorView& x, const ConvWeights& w, const Prologue& prologue, const Epilogue& epilogue, const TensorView& out) {
  if (prologue.scale && !is_product(w.geometry)) {
    const Scratch memory(pool_, static_cast<std::size_t>(x.count()));
    const TensorView mapped(memory.data(), DType::float32, x.shape);
    apply_affine(x, prologue.scale, prologue.shift, prologue.activation, mapped);
    return conv_by_tiles(mapped, w, {}, epilogue, out);
  }
  const bool whole = out.shape[1] == 2 * x.shape[1] && out.shape[2] == 2 * x.shape[2];  // not cropped before its padding
  if (!w.phases.empty() && whole && !epilogue.residual) return conv_by_phases(x, w, epilogue, out);
  direct_conv(pool_, gemm_kernels(DType::bfloat16), x, w, prologue, epilogue, out);
}

void CpuBackend::conv2d(const TensorView& x, const PackedWeights& weights, const Prologue& prologue, const Epilogue& epilogue,
                        const TensorView& out) {
  const auto& w = static_cast<const ConvWeights&>(weights);
  const DType arithmetic = arithmetic_ == DType::float16 && out.shape[3] <= kFewOutputs ? DType::float32 : arithmetic_;
  if (arithmetic == DType::bfloat16 && has_tiles()) return conv_by_tiles(x, w, prologue, epilogue, out);
  if (winograd_wins(w.geometry, out.shape[1], out.shape[2])) {
    winograd_conv(pool_, arithmetic == DType::float16 ? DType::float16 : DType::float32, x, w, prologue, epilogue, out);
  } else {
    direct_conv(pool_, gemm_kernels(arithmetic), x, w, prologue, epilogue, out);
  }
}

}  // namespace impasto
