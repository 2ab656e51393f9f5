// The layers that all networks here are made of: weights, and the operations that use them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/weight_scope.h"
#include "ops/ops.h"

namespace impasto::nn {

/// x [..., in] to [..., out]; weight [out, in].
class Linear {
 public:
  Linear(const WeightScope& w, std::int64_t in, std::int64_t out, bool bias = true);
  Tensor operator()(const Tensor& x, const ops::Fused& fused = {}) const { return ops::linear(x, *weights_, out_, fused); }

 private:
  std::int64_t out_;
  std::unique_ptr<PackedWeights> weights_;
};

/// Layers of the same input: one product where the device gains by that.
class JoinedLinear {
 public:
  struct Part {
    WeightScope w;
    std::int64_t out;
  };
  JoinedLinear(const std::vector<Part>& parts, std::int64_t in, bool bias = true);
  /// Of x [..., in], each part's [..., out]; maybe columns of one tensor.
  std::vector<Tensor> operator()(const Tensor& x) const;
  /// Of these parts alone, in this order.
  std::vector<Tensor> some(const Tensor& x, const std::vector<std::size_t>& parts) const;
  std::size_t size() const { return outs_.size(); }

 private:
  std::vector<std::int64_t> outs_;
  std::vector<std::unique_ptr<PackedWeights>> weights_;  // of each part, or of all
};

/// x [..., in] to value * gelu(gate) [..., out]; weight [2 * out, in] (Shazeer, 2020).
class GegluLinear {
 public:
  GegluLinear(const WeightScope& w, std::int64_t in, std::int64_t out);
  Tensor operator()(const Tensor& x) const { return ops::gated_linear(x, *weights_, out_); }

 private:
  std::int64_t out_;
  std::unique_ptr<PackedWeights> weights_;
};

/// x [n, h, w, in] to [n, h', w', out]; weight [out, in, kernel, kernel].
class Conv2d {
 public:
  Conv2d(const WeightScope& w, std::int64_t in, std::int64_t out, const ConvGeometry& geometry = {}, bool bias = true);
  Tensor operator()(const Tensor& x, const ops::Affine& input = {}, const ops::Fused& fused = {}) const {
    return ops::conv2d(x, *weights_, geometry_, out_, input, fused);
  }
  /// With the result's size given: see ops::conv2d.
  Tensor resized(const Tensor& x, std::int64_t height, std::int64_t width) const {
    return ops::conv2d(x, *weights_, geometry_, out_, {}, {}, height, width);
  }

 private:
  ConvGeometry geometry_;
  std::int64_t out_;
  std::unique_ptr<PackedWeights> weights_;
};

inline constexpr ConvGeometry kConv1x1{.kernel = 1, .pad_begin = 0, .pad_end = 0};
inline constexpr ConvGeometry kUpsampleConv{.upsample = 2};

/// x [n, ..., c] (Wu and He, 2018).
class GroupNorm {
 public:
  GroupNorm(const WeightScope& w, std::int64_t channels, int groups, float eps);
  Tensor operator()(const Tensor& x, Activation activation = Activation::none) const {
    return ops::group_norm(x, gamma_, beta_, groups_, eps_, activation);
  }
  /// A convolution of act(norm(x)), which is not in memory where the device can do without.
  Tensor into(const Conv2d& convolution, const Tensor& x, Activation activation, const ops::Fused& fused = {}) const {
    if (!x.backend().loads_through_prologues()) return convolution((*this)(x, activation), {}, fused);
    return convolution(x, ops::group_norm_affine(x, gamma_, beta_, groups_, eps_, activation), fused);
  }

 private:
  Tensor gamma_, beta_;
  int groups_;
  float eps_;
};

/// Over the last dimension (Ba et al., 2016).
class LayerNorm {
 public:
  LayerNorm(const WeightScope& w, std::int64_t channels, float eps);
  Tensor operator()(const Tensor& x) const { return ops::layer_norm(x, gamma_, beta_, eps_); }

 private:
  Tensor gamma_, beta_;
  float eps_;
};

}  // namespace impasto::nn
