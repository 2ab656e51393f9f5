// The three linear transforms of Winograd's F(4x4, 3x3), on vectors of channels.
//
// A 4 x 4 square of outputs y comes from a 6 x 6 square of inputs d and a 3 x 3 filter g (Winograd, 1980; Lavin and Gray, 2016):
//   y = A^T [ (G g G^T) . (B^T d B) ] A        with . elementwise, summed over input channels before A is applied
// 36 multiplications for 16 outputs, 2.25 each where the direct sum takes 9. The matrices come from evaluating polynomials at six points;
// 0, 1, -1, 1/2, -2 and infinity have about half the rounding error of the usual 0, 1, -1, 2, -2 and cost the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/gemm_kernels.h"

namespace impasto {

struct WinogradKernels {
  static constexpr int kTile = 4;                  ///< outputs along a side
  static constexpr int kPatch = 6;                 ///< inputs along a side
  static constexpr int kPoints = kPatch * kPatch;  ///< products per output square

  /// U = G g G^T: u[point * point_stride + c * panel_row][i] from weights[first + i, first_channel + c, 3, 3], for i below `width` (those of
  /// GemmKernels) and c below `channels`. Rows past the last repeat it.
  void (*weights)(const StoredRows& stored, std::int64_t first, std::int64_t first_channel, std::int64_t channels, float* u,
                  std::ptrdiff_t point_stride) = nullptr;
  /// V = B^T d B, in words: v[point * point_stride + c] from d[y * row_stride + x * pixel_stride + c], y and x below 6, c below `channels` rounded
  /// up to a multiple of 16.
  void (*input)(const float* d, std::ptrdiff_t row_stride, std::ptrdiff_t pixel_stride, std::int64_t channels, float* v,
                std::ptrdiff_t point_stride) = nullptr;
  /// Y = A^T m A: y[(i * 4 + j) * width + c] from m[point * point_stride + c], c below `width`.
  void (*output)(const float* m, std::ptrdiff_t point_stride, float* y) = nullptr;
};

/// U and V as gemm_kernels(arithmetic) multiplies them, for float32 or float16.
const WinogradKernels& winograd_kernels(DType arithmetic);

}  // namespace impasto
