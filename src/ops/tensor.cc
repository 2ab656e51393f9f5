#include "ops/tensor.h"

#include <algorithm>

namespace impasto {

Tensor Tensor::empty(Backend& backend, const Shape& shape, DType dtype) {
  Tensor t;
  const std::size_t bytes = static_cast<std::size_t>(shape.count()) * size_of(dtype);
  void* block = backend.allocate(bytes);
  t.storage_ = std::shared_ptr<void>(block, [&backend, bytes](void* p) { backend.deallocate(p, bytes); });
  t.backend_ = &backend;
  t.view_ = TensorView(block, dtype, shape);
  return t;
}

Tensor Tensor::from_host(Backend& backend, const Shape& shape, const float* values) {
  Tensor t = empty(backend, shape);
  backend.upload(values, t.view_.data, t.view_.bytes());
  return t;
}

Tensor Tensor::stored(Backend& backend, const TensorView& view) {
  if (!backend.shares_host_memory()) {
    Tensor copy = empty(backend, view.shape, view.dtype);
    backend.upload(view.data, copy.view_.data, view.bytes());
    return copy;
  }
  Tensor t;
  t.backend_ = &backend;
  t.view_ = view;
  return t;
}

Tensor Tensor::reshape(const Shape& shape) const {
  IMPASTO_CHECK(view_.contiguous() && shape.count() == view_.count());
  Tensor t = *this;
  t.view_ = TensorView(view_.data, view_.dtype, shape);
  return t;
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t count) const {
  IMPASTO_CHECK(view_.shape.rank() >= 2 && begin >= 0 && count >= 0 && begin + count <= dim(0));
  Tensor t = *this;
  const std::int64_t rows = dim(0) == 0 ? 0 : view_.rows() / dim(0);
  t.view_.shape[0] = count;
  t.view_.data = static_cast<char*>(view_.data) + static_cast<std::size_t>(begin * rows * view_.row_stride) * size_of(view_.dtype);
  return t;
}

Tensor Tensor::repeated(std::int64_t n) const {
  IMPASTO_CHECK(view_.shape.rank() == 2 && dim(0) == 1);
  Tensor t = *this;
  t.view_.shape[0] = n;
  t.view_.row_stride = 0;
  return t;
}

Tensor Tensor::columns(std::int64_t begin, std::int64_t count) const {
  IMPASTO_CHECK(begin >= 0 && count >= 0 && begin + count <= view_.shape.back());
  Tensor t = *this;
  t.view_.shape[view_.shape.rank() - 1] = count;
  t.view_.data = static_cast<char*>(view_.data) + static_cast<std::size_t>(begin) * size_of(view_.dtype);
  return t;
}

Tensor Tensor::on(Backend& backend) const { return backend_ == &backend ? *this : from_host(backend, shape(), to_host().data()); }

Tensor Tensor::clone() const {
  Tensor t = empty(*backend_, shape(), dtype());
  t.assign(*this);
  return t;
}

void Tensor::assign(const Tensor& x) const {
  IMPASTO_CHECK(view_.contiguous() && x.view_.contiguous() && shape() == x.shape());
  const float one = 1;
  backend_->combine({&one, 1}, {&x.view_, 1}, view_);
}

std::vector<float> Tensor::to_host() const {
  IMPASTO_CHECK(view_.contiguous());
  std::vector<float> values(static_cast<std::size_t>(view_.count()));
  if (dtype() == DType::float32) {
    backend_->download(view_.data, values.data(), view_.bytes());
    return values;
  }
  IMPASTO_CHECK(dtype() == DType::float16 || dtype() == DType::bfloat16);
  std::vector<std::uint16_t> halves(values.size());
  backend_->download(view_.data, halves.data(), view_.bytes());
  std::transform(halves.begin(), halves.end(), values.begin(), dtype() == DType::float16 ? float16_to_float32 : bfloat16_to_float32);
  return values;
}

}  // namespace impasto
