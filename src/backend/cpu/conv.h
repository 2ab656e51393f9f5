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
  std::size_t bytes() const override { return bias.size() * sizeof(float); }
  std::int64_t channels() const { return weight.columns / (geometry.kernel * geometry.kernel); }
};

/// As a product whose rows are gathered from the input. Any geometry.
void direct_conv(BlockPool& pool, const GemmKernels& kernels, const TensorView& x, const ConvWeights& weights, const Prologue& prologue,
                 const Epilogue& epilogue, const TensorView& out);

/// By Winograd's F(4x4, 3x3), which takes a quarter of the multiplications: winograd.cc. Kernel 3, stride 1, any padding and upsampling.
/// `arithmetic`: float32 or float16.
bool winograd_applies(const ConvGeometry& geometry);
void winograd_conv(BlockPool& pool, DType arithmetic, const TensorView& x, const ConvWeights& weights, const Prologue& prologue,
                   const Epilogue& epilogue, const TensorView& out);

}  // namespace impasto
