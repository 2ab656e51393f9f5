// A tensor with shared ownership of its memory on a backend.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "core/tensor_view.h"

namespace impasto {

/// Copies share the memory, as slices and reshapes do; `clone` makes new memory. A temporary's memory goes back to the backend's pool as
/// soon as the last handle is gone, which is what keeps activations few.
class Tensor {
 public:
  Tensor() = default;

  /// Contents undefined.
  static Tensor empty(Backend& backend, const Shape& shape);
  static Tensor from_host(Backend& backend, const Shape& shape, const float* values);
  /// Memory that somebody else keeps alive (a mapped file): never written.
  static Tensor borrow(Backend& backend, const TensorView& view);

  explicit operator bool() const { return static_cast<bool>(view_); }
  const TensorView& view() const { return view_; }
  Backend& backend() const { return *backend_; }
  const Shape& shape() const { return view_.shape; }
  std::int64_t dim(int i) const { return view_.shape[i]; }

  /// Same elements, other dimensions; contiguous only.
  Tensor reshape(const Shape& shape) const;
  /// Images begin .. begin + count of the first dimension.
  Tensor slice(std::int64_t begin, std::int64_t count) const;
  /// Columns begin .. begin + count of the last dimension: a strided view.
  Tensor columns(std::int64_t begin, std::int64_t count) const;

  Tensor clone() const;
  std::vector<float> to_host() const;

 private:
  std::shared_ptr<void> storage_;
  Backend* backend_ = nullptr;
  TensorView view_;
};

}  // namespace impasto
