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
  static Tensor empty(Backend& backend, const Shape& shape, DType dtype = DType::float32);
  static Tensor from_host(Backend& backend, const Shape& shape, const float* values);
  /// A weight as it is stored on the host, contiguous and never written: where the device shares the host's memory it is used where it lies, and
  /// somebody else keeps it alive; else it is copied.
  static Tensor stored(Backend& backend, const TensorView& view);

  explicit operator bool() const { return static_cast<bool>(view_); }
  const TensorView& view() const { return view_; }
  Backend& backend() const { return *backend_; }
  const Shape& shape() const { return view_.shape; }
  DType dtype() const { return view_.dtype; }
  std::int64_t dim(int i) const { return view_.shape[i]; }

  /// Same elements, other dimensions; contiguous only.
  Tensor reshape(const Shape& shape) const;
  /// Images begin .. begin + count of the first dimension.
  Tensor slice(std::int64_t begin, std::int64_t count) const;
  /// Of one row [1, c], n that are it: a strided view [n, c].
  Tensor repeated(std::int64_t n) const;
  /// Columns begin .. begin + count of the last dimension: a strided view.
  Tensor columns(std::int64_t begin, std::int64_t count) const;

  /// Itself where it is on that backend, else a copy through the host, in float32.
  Tensor on(Backend& backend) const;
  Tensor clone() const;
  /// Overwrites this tensor's elements by those of x, of the same shape; both contiguous.
  void assign(const Tensor& x) const;
  std::vector<float> to_host() const;  ///< 16-bit elements are widened

 private:
  std::shared_ptr<void> storage_;
  Backend* backend_ = nullptr;
  TensorView view_;
};

}  // namespace impasto
