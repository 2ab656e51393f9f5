// What products and convolutions need beside the libraries' kernels. Views name device memory; float32, float16 or bfloat16 each, rows may be
// strided.
#pragma once

#include "backend/cuda/cuda_backend.h"

namespace impasto::cuda {

/// out [..., c'] = x [..., c] in out's type; columns beyond x's become zero, x's beyond out's are left out. Both have as many rows.
void convert_columns(CudaBackend& backend, const TensorView& x, const TensorView& out);

/// weight [out, in, k, k], contiguous, to [out', k, k, in'] in the type of `packed`; what is beyond out and in becomes zero.
void pack_filters(CudaBackend& backend, const TensorView& weight, const TensorView& packed);

/// What a convolution reads: out [n, H, W, c'] (c' >= c) is x [n, h, w, c] through the prologue, enlarged `upsample` times by repetition, cropped to
/// H - top rows and W - left columns where it is larger, behind `top` rows and `left` columns of zeros, zeros beyond it, too, and in columns beyond
/// c.
void stage_map(CudaBackend& backend, const TensorView& x, const Prologue& prologue, int upsample, int top, int left, const TensorView& out);

/// Behind a product: out = epilogue(sums + bias) as Epilogue says. sums [..., c] strided, out [..., c] strided (may be sums itself, when not gated);
/// gated: sums has 2 * c columns, values first. bias [c] ([2 * c] gated), float32, or empty.
void finish_rows(CudaBackend& backend, const TensorView& sums, const TensorView& bias, const Epilogue& epilogue, bool gated, const TensorView& out);

/// Softmax over the last dimension of scores [b, tq, tk], in place, of scores * scale; `causal`: what is behind the diagonal becomes zero.
/// float32 sums; a row is a strided row.
void softmax_rows(CudaBackend& backend, const TensorView& scores, float scale, bool causal);

/// Backend::group_norm in two kernels; false, and nothing queued, where types or channels are not what they take.
bool group_norm_by_moments(CudaBackend& backend, const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps,
                           Activation activation, const TensorView& out);

}  // namespace impasto::cuda
