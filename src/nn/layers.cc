#include "nn/layers.h"

#include <numeric>
#include <optional>

namespace impasto::nn {

Linear::Linear(const WeightScope& w, std::int64_t in, std::int64_t out, bool bias)
    : out_(out), weights_(w.backend().pack_linear(w.stored("weight", {out, in}), bias ? w.stored("bias", {out}) : TensorView(), /*gated=*/false)) {}

namespace {

/// One tensor of all, as the files have them; empty where they differ in type.
struct Joined {
  std::vector<std::uint8_t> bytes;
  TensorView view;

  explicit Joined(const std::vector<TensorView>& parts) {
    std::int64_t rows = 0;
    for (const TensorView& part : parts) {
      if (part.dtype != parts.front().dtype) return;
      const auto* begin = part.as<std::uint8_t>();
      bytes.insert(bytes.end(), begin, begin + part.bytes());
      rows += part.shape[0];
    }
    Shape shape = parts.front().shape;
    shape[0] = rows;
    view = {bytes.data(), parts.front().dtype, shape};
  }
};

}  // namespace

JoinedLinear::JoinedLinear(const std::vector<Part>& parts, std::int64_t in, bool bias) {
  std::vector<TensorView> weights, biases;
  for (const Part& part : parts) {
    outs_.push_back(part.out);
    weights.push_back(part.w.stored("weight", {part.out, in}));
    if (bias) biases.push_back(part.w.stored("bias", {part.out}));
  }
  Backend& backend = parts.front().w.backend();
  if (backend.joins_products()) {
    const Joined weight(weights);
    const auto all = bias ? std::optional<Joined>(biases) : std::nullopt;
    if (weight.view && (!all || all->view)) {
      weights_.push_back(backend.pack_linear(weight.view, all ? all->view : TensorView(), /*gated=*/false));
      return;
    }
  }
  for (std::size_t i = 0; i < parts.size(); ++i)
    weights_.push_back(backend.pack_linear(weights[i], bias ? biases[i] : TensorView(), /*gated=*/false));
}

std::vector<Tensor> JoinedLinear::some(const Tensor& x, const std::vector<std::size_t>& parts) const {
  std::vector<Tensor> results, all;
  const bool joined = weights_.size() != outs_.size();
  if (joined) all = (*this)(x);
  for (const std::size_t i : parts) results.push_back(joined ? all[i] : ops::linear(x, *weights_[i], outs_[i]));
  return results;
}

std::vector<Tensor> JoinedLinear::operator()(const Tensor& x) const {
  std::vector<Tensor> results;
  if (weights_.size() == outs_.size()) {
    for (std::size_t i = 0; i < outs_.size(); ++i) results.push_back(ops::linear(x, *weights_[i], outs_[i]));
    return results;
  }
  const Tensor all = ops::linear(x, *weights_.front(), std::accumulate(outs_.begin(), outs_.end(), std::int64_t{0}));
  std::int64_t begin = 0;
  for (const std::int64_t out : outs_) {
    results.push_back(all.columns(begin, out));
    begin += out;
  }
  return results;
}

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
