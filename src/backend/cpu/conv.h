// The ways to compute a convolution; CpuBackend::conv2d picks one by the work that it takes.
#pragma once

#include <vector>

#include "backend/cpu/block_pool.h"
#include "backend/cpu/gemm_kernels.h"

namespace impasto {

struct ConvWeights final : PackedWeights {
  StoredRows weight;        ///< [out, in * kernel * kernel], as stored: all taps of a channel side by side
  std::vector<float> bias;  ///< [out], padded
  ConvGeometry geometry;
  std::vector<std::uint16_t>
      phases;  ///< bfloat16 [4, out, in, 2 * 2], where an enlarging convolution goes by its phases: upsample_conv.cc; else empty
  std::size_t bytes() const override { return bias.size() * sizeof(float) + phases.size() * sizeof(std::uint16_t); }
  std::int64_t channels() const { return weight.columns / (geometry.kernel * geometry.kernel); }
};

/// A square of taps that slides over a map, enlarged or not.
struct ConvWindow {
  int kernel = 3, stride = 1, upsample = 1;
  std::int64_t top = 0, left = 0;              ///< rows and columns of padding before the map
  std::int64_t height = 0, width = 0;          ///< of the map that it slides over
  std::int64_t out_height = 0, out_width = 0;  ///< places that it takes
};

/// A product with a row for each place of the window, its taps side by side; weights [out, in * taps].
void gemm_taps(BlockPool& pool, const GemmKernels& kernels, const TensorView& x, const Prologue& prologue, const ConvWindow& window,
               const StoredRows& weights, const TileTarget& target);

/// As a product whose rows are gathered from the input. Any geometry.
void direct_conv(BlockPool& pool, const GemmKernels& kernels, const TensorView& x, const ConvWeights& weights, const Prologue& prologue,
                 const Epilogue& epilogue, const TensorView& out);

/// By Winograd's F(4x4, 3x3), which takes a quarter of the multiplications: winograd.cc. Kernel 3, stride 1, any padding and upsampling.
/// `arithmetic`: float32 or float16.
bool winograd_applies(const ConvGeometry& geometry);
void winograd_conv(BlockPool& pool, DType arithmetic, const TensorView& x, const ConvWeights& weights, const Prologue& prologue,
                   const Epilogue& epilogue, const TensorView& out);

}  // namespace impasto
