#include "ops/tensor.h"

#include <algorithm>

namespace impasto {

Tensor Tensor::empty(Backend& backend, const Shape& shape) {
  Tensor t;
  const std::size_t bytes = static_cast<std::size_t>(shape.count()) * sizeof(float);
  void* block = backend.allocate(bytes);
  t.storage_ = std::shared_ptr<void>(block, [&backend, bytes](void* p) { backend.deallocate(p, bytes); });
  t.backend_ = &backend;
  t.view_ = TensorView(block, DType::float32, shape);
  return t;
}

Tensor Tensor::from_host(Backend& backend, const Shape& shape, const float* values) {
  Tensor t = empty(backend, shape);
  backend.upload(values, t.view_.data, t.view_.bytes());
  return t;
}

Tensor Tensor::borrow(Backend& backend, const TensorView& view) {
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

Tensor Tensor::columns(std::int64_t begin, std::int64_t count) const {
  IMPASTO_CHECK(begin >= 0 && count >= 0 && begin + count <= view_.shape.back());
  Tensor t = *this;
  t.view_.shape[view_.shape.rank() - 1] = count;
  t.view_.data = static_cast<char*>(view_.data) + static_cast<std::size_t>(begin) * size_of(view_.dtype);
  return t;
}

Tensor Tensor::clone() const {
  IMPASTO_CHECK(view_.contiguous());
  Tensor t = empty(*backend_, shape());
  const float one = 1;
  backend_->combine({&one, 1}, {&view_, 1}, t.view_);
  return t;
}

std::vector<float> Tensor::to_host() const {
  IMPASTO_CHECK(view_.contiguous() && view_.dtype == DType::float32);
  std::vector<float> values(static_cast<std::size_t>(view_.count()));
  backend_->download(view_.data, values.data(), view_.bytes());
  return values;
}

}  // namespace impasto
