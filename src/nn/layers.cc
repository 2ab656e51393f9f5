#include "nn/layers.h"

namespace impasto::nn {

Linear::Linear(const WeightScope& w, std::int64_t in, std::int64_t out, bool bias)
    : out_(out), weights_(w.backend().pack_linear(w.stored("weight", {out, in}), bias ? w.stored("bias", {out}) : TensorView(), /*gated=*/false)) {}

GegluLinear::GegluLinear(const WeightScope& w, std::int64_t in, std::int64_t out)
    : out_(out), weights_(w.backend().pack_linear(w.stored("weight", {2 * out, in}), w.stored("bias", {2 * out}), /*gated=*/true)) {}

Conv2d::Conv2d(const WeightScope& w, std::int64_t in, std::int64_t out, const ConvGeometry& geometry, bool bias)
    : geometry_(geometry),
      out_(out),
      weights_(w.backend().pack_conv2d(w.stored("weight", {out, in, geometry.kernel, geometry.kernel}), bias ? w.stored("bias", {out}) : TensorView(),
                                       geometry)) {}

GroupNorm::GroupNorm(const WeightScope& w, std::int64_t channels, int groups, float eps)
    : gamma_(w.tensor("weight", {channels})), beta_(w.tensor("bias", {channels})), groups_(groups), eps_(eps) {}

LayerNorm::LayerNorm(const WeightScope& w, std::int64_t channels, float eps)
    : gamma_(w.tensor("weight", {channels})), beta_(w.tensor("bias", {channels})), eps_(eps) {}

}  // namespace impasto::nn
