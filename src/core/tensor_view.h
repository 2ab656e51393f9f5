// A tensor that somebody else owns.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "core/shape.h"

namespace impasto {

/// Elements of one row (the last dimension) lie side by side; rows lie `row_stride` elements apart, which is the row's own length
/// unless the view is a range of columns of a wider tensor. On an accelerator `data` is a device pointer.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::float32;
  Shape shape;
  std::int64_t row_stride = 0;

  TensorView() = default;
  TensorView(void* data_, DType dtype_, Shape shape_) : data(data_), dtype(dtype_), shape(shape_), row_stride(shape_.back()) {}
  TensorView(void* data_, DType dtype_, Shape shape_, std::int64_t row_stride_)
      : data(data_), dtype(dtype_), shape(shape_), row_stride(row_stride_) {}

  explicit operator bool() const { return data != nullptr; }
  bool contiguous() const { return row_stride == shape.back(); }
  std::int64_t count() const { return shape.count(); }
  std::int64_t rows() const { return shape.rows(); }
  std::size_t bytes() const { return static_cast<std::size_t>(count()) * size_of(dtype); }

  template <typename T = float>
  T* as() const {
    return static_cast<T*>(data);
  }
  /// Row r of a float32 host tensor.
  float* row(std::int64_t r) const { return as<float>() + r * row_stride; }
};

}  // namespace impasto
