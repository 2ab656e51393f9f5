// Free functions over tensors: check shapes, allocate the result, call the backend. Formulas and layouts: backend/backend.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/tensor.h"

namespace impasto::ops {

/// Per-image, per-channel affine map with an activation after it: a group normalisation waiting to be applied.
struct Affine {
  Tensor scale, shift;  // [n, c]
  Activation activation = Activation::none;
};

struct Fused {
  Tensor row_bias = {};  // [n, out]
  Activation activation = Activation::none;
  Tensor residual = {};  // as the result
};

Tensor linear(const Tensor& x, const PackedWeights& weights, std::int64_t out_features, const Fused& fused = {});
/// GEGLU: value * gelu(gate) (see Backend::pack_linear). Rows of the result may lie a cache line further apart than they are long, for the
/// product that comes next: at a multiple of 4 KiB they would evict each other from the first-level cache.
Tensor gated_linear(const Tensor& x, const PackedWeights& weights, std::int64_t out_features);
/// `height` and `width`: the result's, where an upsampled map has to be a row or a column short; 0 for what the geometry gives.
Tensor conv2d(const Tensor& x, const PackedWeights& weights, const ConvGeometry& geometry, std::int64_t out_channels, const Affine& input = {},
              const Fused& fused = {}, std::int64_t height = 0, std::int64_t width = 0);
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int heads, bool causal = false);

Affine group_norm_affine(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups, float eps, Activation activation);
Tensor apply(const Affine& affine, const Tensor& x);
/// act(normalised x), at once where the device has an operation for it.
Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups, float eps, Activation activation);
Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps);

Tensor activate(const Tensor& x, Activation activation);
Tensor add(const Tensor& a, const Tensor& b);
void add_into(const Tensor& sum, const Tensor& b);  ///< sum += b
Tensor concat_columns(const Tensor& a, const Tensor& b);
Tensor concat_images(const Tensor& a, const Tensor& b);  ///< along the first dimension
Tensor embed(std::span<const std::int32_t> ids, const Tensor& table);
Tensor nchw_to_nhwc(const Tensor& x);
Tensor nhwc_to_nchw(const Tensor& x);

/// One term of a linear combination.
struct Term {
  double coefficient;
  const Tensor& tensor;
};
/// sum of coefficient * tensor, in float32; the coefficients are rounded to float32 first, as torch does with Python scalars.
Tensor combine(std::initializer_list<Term> terms);
/// Image i of the result is factors[i] times image i of x.
Tensor scale_images(const Tensor& x, std::span<const float> factors);
/// The whole batch again and again until there are `images`, a multiple of x's; x itself when there are already.
Tensor tile_images(const Tensor& x, std::int64_t images);
/// Image i of the result is image i / repeats of x.
Tensor repeat_images(const Tensor& x, std::int64_t repeats);
Tensor clamp(const Tensor& x, float low, float high);
std::vector<std::uint8_t> to_bytes(const Tensor& x);  ///< pixels from -1..1 to 0..255, on the host
bool is_finite(const Tensor& x);
std::vector<float> standard_deviation(const Tensor& x);

}  // namespace impasto::ops
