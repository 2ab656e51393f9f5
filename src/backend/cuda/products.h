// Matrix products, and weights that lie on the device.
#pragma once

#include "backend/cuda/cuda_backend.h"

namespace impasto::cuda {

/// out [m, n] = alpha * x [m, k] . w [n, k]^T + bias [n] + residual [m, n]; `batches` of x, w and out lie a fixed distance apart.
/// Strides count elements from row to row.
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  DType type = DType::float16;      ///< of x and w: float16 or bfloat16
  DType out_type = DType::float16;  ///< of out, bias and residual: `type`, or float32
  const void* x = nullptr;
  std::int64_t x_stride = 0;
  const void* w = nullptr;
  std::int64_t w_stride = 0;
  bool w_by_k = false;  ///< w is stored as [k, n]
  void* out = nullptr;
  std::int64_t out_stride = 0;
  const void* bias = nullptr;
  const void* residual = nullptr;  ///< may be out
  std::int64_t residual_stride = 0;
  float alpha = 1;
  std::int64_t batches = 1, x_batch = 0, w_batch = 0, out_batch = 0;  ///< without bias and residual
};

/// False, with nothing queued, where cuBLASLt has no algorithm for these addresses and strides; with all of them multiples of 16 bytes it has one.
bool multiply(CudaBackend& backend, const Product& product);

/// 1e9 operations a second, two for each multiply-add, of a product of side x side matrices of the feature type.
double time_square_product(CudaBackend& backend, std::int64_t side);

/// Filters [out', kernel, kernel, in'] of the feature type, in' and out' being multiples of 8 with zeros behind in and out, and the bias [out']
/// twice. A linear layer is a kernel of 1.
class CudaWeights final : public PackedWeights {
 public:
  CudaWeights(CudaBackend& backend, const TensorView& weight, const TensorView& bias, bool gated, const ConvGeometry& geometry);
  ~CudaWeights() override;
  CudaWeights(const CudaWeights&) = delete;
  CudaWeights& operator=(const CudaWeights&) = delete;
  std::size_t bytes() const override { return bytes_; }

  std::int64_t out, in, padded_out, padded_in;
  bool gated;
  ConvGeometry geometry;
  void* filters = nullptr;
  void* bias = nullptr;        ///< of the feature type, or nullptr
  void* exact_bias = nullptr;  ///< float32, or nullptr

  /// float32 [out], or empty.
  TensorView bias_view() const { return exact_bias == nullptr ? TensorView() : TensorView(exact_bias, DType::float32, {out}); }

 private:
  CudaBackend& backend_;
  std::size_t bytes_ = 0;
  void* block_ = nullptr;
};

/// Backend::linear; x's columns may be padded_in, zeros behind `in`.
void linear_rows(CudaBackend& backend, const TensorView& x, const CudaWeights& weights, const Epilogue& epilogue, const TensorView& out);

}  // namespace impasto::cuda
