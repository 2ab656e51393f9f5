#include "ops/ops.h"

#include <array>
#include <cmath>

#include "core/cancellation.h"

namespace impasto::ops {
namespace {

/// The shape of `x` with another last dimension.
Shape with_columns(const Shape& shape, std::int64_t columns) {
  Shape s = shape;
  s[s.rank() - 1] = columns;
  return s;
}

Tensor like(const Tensor& x) { return Tensor::empty(x.backend(), x.shape(), x.dtype()); }

/// What a layer of a network yields.
Tensor features(Backend& backend, const Shape& shape) { return Tensor::empty(backend, shape, backend.feature_type()); }

/// Of a tensor that holds the elements of both.
DType joined_type(const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() ? a.dtype() : DType::float32; }

void scale_into(const Tensor& x, float factor, const Tensor& out) { x.backend().combine({&factor, 1}, {&x.view(), 1}, out.view()); }

Epilogue epilogue(const Fused& fused, const Shape& out) {
  if (fused.row_bias) IMPASTO_CHECK((fused.row_bias.shape() == Shape{out[0], out.back()}));
  if (fused.residual) IMPASTO_CHECK(fused.residual.shape() == out);
  return {fused.row_bias.view(), fused.activation, fused.residual.view()};
}

}  // namespace

Tensor linear(const Tensor& x, const PackedWeights& weights, std::int64_t out_features, const Fused& fused) {
  stop_if_asked();
  Tensor out = features(x.backend(), with_columns(x.shape(), out_features));
  x.backend().linear(x.view(), weights, epilogue(fused, out.shape()), out.view());
  return out;
}

Tensor gated_linear(const Tensor& x, const PackedWeights& weights, std::int64_t out_features) {
  constexpr std::int64_t kLine = 16;  // floats in a cache line
  const bool apart = out_features % 1024 == 0 && x.backend().shares_host_memory();
  const Tensor rows = features(x.backend(), with_columns(x.shape(), apart ? out_features + kLine : out_features));
  Tensor out = rows.columns(0, out_features);
  x.backend().linear(x.view(), weights, {}, out.view());
  return out;
}

Tensor conv2d(const Tensor& x, const PackedWeights& weights, const ConvGeometry& geometry, std::int64_t out_channels, const Affine& input,
              const Fused& fused, std::int64_t height, std::int64_t width) {
  stop_if_asked();
  IMPASTO_CHECK(x.shape().rank() == 4 && x.view().contiguous());
  const std::int64_t full_height = geometry.output(x.dim(1)), full_width = geometry.output(x.dim(2));
  if (height == 0) height = full_height, width = full_width;
  const std::int64_t most_short = geometry.upsample - 1;
  IMPASTO_CHECK(full_height - most_short <= height && height <= full_height && full_width - most_short <= width && width <= full_width);
  Tensor out = features(x.backend(), {x.dim(0), height, width, out_channels});
  const Prologue prologue{input.scale.view(), input.shift.view(), input.activation};
  x.backend().conv2d(x.view(), weights, prologue, epilogue(fused, out.shape()), out.view());
  return out;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, int heads, bool causal) {
  stop_if_asked();
  IMPASTO_CHECK(q.shape().rank() == 3 && k.shape() == v.shape() && k.dim(0) == q.dim(0) && k.dim(2) == q.dim(2) && q.dim(2) % heads == 0);
  IMPASTO_CHECK(!causal || q.dim(1) == k.dim(1));
  Tensor out = features(q.backend(), q.shape());
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.dim(2) / heads)));
  q.backend().attention(q.view(), k.view(), v.view(), heads, scale, causal, out.view());
  return out;
}

Affine group_norm_affine(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups, float eps, Activation activation) {
  IMPASTO_CHECK(x.view().contiguous() && x.shape().back() % groups == 0 && gamma.dim(0) == x.shape().back());
  const Shape per_image{x.dim(0), x.shape().back()};
  Affine a{Tensor::empty(x.backend(), per_image), Tensor::empty(x.backend(), per_image), activation};
  x.backend().group_norm_affine(x.view(), gamma.view(), beta.view(), groups, eps, a.scale.view(), a.shift.view());
  return a;
}

Tensor apply(const Affine& affine, const Tensor& x) {
  Tensor out = features(x.backend(), x.shape());
  x.backend().apply_affine(x.view(), affine.scale.view(), affine.shift.view(), affine.activation, out.view());
  return out;
}

Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups, float eps, Activation activation) {
  IMPASTO_CHECK(x.view().contiguous() && x.shape().back() % groups == 0 && gamma.dim(0) == x.shape().back());
  Tensor out = features(x.backend(), x.shape());
  x.backend().group_norm(x.view(), gamma.view(), beta.view(), groups, eps, activation, out.view());
  return out;
}

Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps) {
  IMPASTO_CHECK(x.view().contiguous() && gamma.dim(0) == x.shape().back());
  Tensor out = features(x.backend(), x.shape());
  x.backend().layer_norm(x.view(), gamma.view(), beta.view(), eps, out.view());
  return out;
}

Tensor activate(const Tensor& x, Activation activation) {
  IMPASTO_CHECK(x.view().contiguous());
  Tensor out = like(x);
  x.backend().activate(x.view(), activation, out.view());
  return out;
}

Tensor add(const Tensor& a, const Tensor& b) {
  IMPASTO_CHECK(a.shape() == b.shape() && a.view().contiguous() && b.view().contiguous());
  Tensor out = like(a);
  a.backend().add(a.view(), b.view(), out.view());
  return out;
}

void add_into(const Tensor& sum, const Tensor& b) {
  IMPASTO_CHECK(sum.shape() == b.shape() && sum.view().contiguous() && b.view().contiguous());
  sum.backend().add(sum.view(), b.view(), sum.view());
}

Tensor concat_columns(const Tensor& a, const Tensor& b) {
  IMPASTO_CHECK(a.view().rows() == b.view().rows());
  Tensor out = Tensor::empty(a.backend(), with_columns(a.shape(), a.shape().back() + b.shape().back()), joined_type(a, b));
  a.backend().concat_columns(a.view(), b.view(), out.view());
  return out;
}

Tensor concat_images(const Tensor& a, const Tensor& b) {
  IMPASTO_CHECK(a.view().contiguous() && b.view().contiguous() && a.view().count() / a.dim(0) == b.view().count() / b.dim(0));
  Shape shape = a.shape();
  shape[0] += b.dim(0);
  Tensor out = Tensor::empty(a.backend(), shape, joined_type(a, b));
  scale_into(a, 1, out.slice(0, a.dim(0)));
  scale_into(b, 1, out.slice(a.dim(0), b.dim(0)));
  return out;
}

Tensor scale_images(const Tensor& x, std::span<const float> factors) {
  IMPASTO_CHECK(x.view().contiguous() && static_cast<std::int64_t>(factors.size()) == x.dim(0));
  Tensor out = like(x);
  for (std::int64_t i = 0; i < x.dim(0); ++i) scale_into(x.slice(i, 1), factors[static_cast<std::size_t>(i)], out.slice(i, 1));
  return out;
}

Tensor tile_images(const Tensor& x, std::int64_t images) {
  const std::int64_t n = x.dim(0);
  IMPASTO_CHECK(x.view().contiguous() && images % n == 0);
  if (images == n) return x;
  Shape shape = x.shape();
  shape[0] = images;
  Tensor out = Tensor::empty(x.backend(), shape, x.dtype());
  for (std::int64_t i = 0; i < images; i += n) scale_into(x, 1, out.slice(i, n));
  return out;
}

Tensor repeat_images(const Tensor& x, std::int64_t repeats) {
  IMPASTO_CHECK(x.view().contiguous());
  if (repeats == 1) return x;
  Shape shape = x.shape();
  shape[0] *= repeats;
  Tensor out = Tensor::empty(x.backend(), shape, x.dtype());
  for (std::int64_t i = 0; i < shape[0]; ++i) scale_into(x.slice(i / repeats, 1), 1, out.slice(i, 1));
  return out;
}

Tensor embed(std::span<const std::int32_t> ids, const Tensor& table) {
  for (const std::int32_t id : ids)
    if (id < 0 || id >= table.dim(0)) fail(ErrorKind::invalid_argument, "token id ", id, " is outside the vocabulary of ", table.dim(0));
  Tensor out = features(table.backend(), {static_cast<std::int64_t>(ids.size()), table.dim(1)});
  table.backend().embed(ids, table.view(), out.view());
  return out;
}

Tensor nchw_to_nhwc(const Tensor& x) {
  Tensor out = Tensor::empty(x.backend(), {x.dim(0), x.dim(2), x.dim(3), x.dim(1)}, x.dtype());
  x.backend().nchw_to_nhwc(x.view(), out.view());
  return out;
}

Tensor nhwc_to_nchw(const Tensor& x) {
  Tensor out = Tensor::empty(x.backend(), {x.dim(0), x.dim(3), x.dim(1), x.dim(2)}, x.dtype());
  x.backend().nhwc_to_nchw(x.view(), out.view());
  return out;
}

Tensor combine(std::initializer_list<Term> terms) {
  constexpr std::size_t kMost = 8;
  IMPASTO_CHECK(terms.size() >= 1 && terms.size() <= kMost);
  std::array<float, kMost> coefficients;
  std::array<TensorView, kMost> views;
  const Tensor& first = terms.begin()->tensor;
  std::size_t n = 0;
  for (const Term& term : terms) {
    IMPASTO_CHECK(term.tensor.shape() == first.shape() && term.tensor.view().contiguous());
    coefficients[n] = static_cast<float>(term.coefficient);
    views[n++] = term.tensor.view();
  }
  Tensor out = Tensor::empty(first.backend(), first.shape());
  first.backend().combine({coefficients.data(), n}, {views.data(), n}, out.view());
  return out;
}

Tensor clamp(const Tensor& x, float low, float high) {
  Tensor out = like(x);
  x.backend().clamp(x.view(), low, high, out.view());
  return out;
}

std::vector<std::uint8_t> to_bytes(const Tensor& x) {
  IMPASTO_CHECK(x.view().contiguous());
  const Tensor bytes = Tensor::empty(x.backend(), x.shape(), DType::uint8);
  x.backend().to_bytes(x.view(), bytes.view());
  std::vector<std::uint8_t> host(bytes.view().bytes());
  x.backend().download(bytes.view().data, host.data(), host.size());
  return host;
}

bool is_finite(const Tensor& x) {
  IMPASTO_CHECK(x.view().contiguous());
  return x.backend().is_finite(x.view());
}

std::vector<float> standard_deviation(const Tensor& x) {
  IMPASTO_CHECK(x.view().contiguous());
  return x.backend().standard_deviation(x.view());
}

}  // namespace impasto::ops
