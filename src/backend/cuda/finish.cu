// What follows the libraries' products: biases, activations, gates and residuals.
#include "backend/cuda/check.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto::cuda {
namespace {

struct Finish {
  const float* bias;  ///< or nullptr
  Rows row_bias;
  std::int64_t rows_per_image;
  Activation activation;
  Rows residual;
};

template <typename S, typename T>
__global__ void __launch_bounds__(256, sizeof(S) + sizeof(T) == 8 ? 3 : 4)
    finish_packets(const S* sums, std::int64_t sums_stride, Finish finish, T* out, std::int64_t out_stride, RowWalk walk) {
  constexpr int kTurns = 2;
  const int column = walk.column() * 8;
  if (column >= walk.vectors * 8) return;
  float bias[8] = {};
  if (finish.bias != nullptr) load_eight(finish.bias + column, bias);
  const T* residual = static_cast<const T*>(finish.residual.data);
  sums += column;
  const std::int64_t end = walk.end_row();
  for (std::int64_t row = walk.first_row(); row < end; row += kTurns * walk.lanes) {
    Packet<S> packets[kTurns];
    Packet<T> residuals[kTurns];
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r >= end) continue;
      packets[k] = load_packet(sums + r * sums_stride);
      if (residual != nullptr) residuals[k] = load_packet(residual + r * finish.residual.stride + column);
    }
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row + k * walk.lanes;
      if (r >= end) continue;
      float values[8], others[8];
      packets[k].unpack(values);
#pragma unroll
      for (int i = 0; i < 8; ++i) values[i] += bias[i];
      if (finish.row_bias.data != nullptr) {
        finish.row_bias.get_eight(r / finish.rows_per_image, column, others);
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] += others[i];
      }
      if (finish.activation == Activation::silu) {
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = silu_for<T>(values[i]);
      } else if (finish.activation != Activation::none) {
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = activated(values[i], finish.activation);
      }
      if (residual != nullptr) {
        residuals[k].unpack(others);
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] += others[i];
      }
      store_eight(out + r * out_stride + column, values);
    }
  }
}

/// values * gelu(gates), which lie `columns` apart. The packets of the next rows are on their way while these are worked on. The last rows come
/// first: a product has just written them, so they are still near, and the next one begins with the first rows.
template <typename S, typename T>
__global__ void __launch_bounds__(256, 3)
    finish_gated(const S* sums, std::int64_t sums_stride, const float* biases, T* out, std::int64_t out_stride, RowWalk walk) {
  constexpr int kTurns = sizeof(S) == 4 ? 1 : 2;
  const int column = walk.column() * 8, columns = walk.vectors * 8;
  if (column >= columns) return;
  float bias[8] = {}, gate_bias[8] = {};
  if (biases != nullptr) {
    load_eight(biases + column, bias);
    load_eight(biases + columns + column, gate_bias);
  }
  const std::int64_t last = walk.rows - 1 - walk.first_row(), end = walk.rows - 1 - walk.end_row();  // downwards, `end` is not reached
  sums += column;
  out += column;
  Packet<S> values[kTurns], gates[kTurns], next_values[kTurns], next_gates[kTurns];
  const auto fetch = [&](std::int64_t row) {
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row - k * walk.lanes;
      if (r <= end) continue;
      next_values[k] = load_packet(sums + r * sums_stride);
      next_gates[k] = load_packet(sums + columns + r * sums_stride);
    }
  };
  fetch(last);
#pragma unroll 2
  for (std::int64_t row = last; row > end; row -= kTurns * walk.lanes) {
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      values[k] = next_values[k];
      gates[k] = next_gates[k];
    }
    fetch(row - kTurns * walk.lanes);
#pragma unroll
    for (int k = 0; k < kTurns; ++k) {
      const std::int64_t r = row - k * walk.lanes;
      if (r <= end) continue;
      float x[8], gate[8];
      values[k].unpack(x);
      gates[k].unpack(gate);
#pragma unroll
      for (int i = 0; i < 8; ++i) x[i] = (x[i] + bias[i]) * gelu_for<T>(gate[i] + gate_bias[i]);
      store_eight(out + r * out_stride, x);
    }
  }
}

__global__ void finish_any(Rows sums, Finish finish, bool gated, Rows out, std::int64_t columns, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t row = i / columns, column = i % columns;
    float y = sums.get(row, column) + (finish.bias != nullptr ? finish.bias[column] : 0.0f);
    if (finish.row_bias.data != nullptr) y += finish.row_bias.get(row / finish.rows_per_image, column);
    if (gated) {
      y *= gelu(sums.get(row, column + columns) + (finish.bias != nullptr ? finish.bias[column + columns] : 0.0f));
    } else {
      y = activated(y, finish.activation);
    }
    if (finish.residual.data != nullptr) y += finish.residual.get(row, column);
    out.set(row, column, y);
  }
}

template <typename S, typename T>
void launch_finish(CudaBackend& backend, const TensorView& sums, const Finish& finish, bool gated, const TensorView& out) {
  const RowWalk walk = walk_rows(1, out.rows(), out.shape.back(), full_house(backend) * (gated ? 3 : 4) / 4);
  const cudaStream_t stream = backend.stream();
  if (gated) {
    finish_gated<S, T><<<walk.grid(), walk.threads(), 0, stream>>>(sums.as<S>(), sums.row_stride, finish.bias, out.as<T>(), out.row_stride, walk);
    require_launched("finish_gated");
    return;
  }
  finish_packets<S, T><<<walk.grid(), walk.threads(), 0, stream>>>(sums.as<S>(), sums.row_stride, finish, out.as<T>(), out.row_stride, walk);
  require_launched("finish_packets");
}

}  // namespace

void finish_rows(CudaBackend& backend, const TensorView& sums, const TensorView& bias, const Epilogue& epilogue, bool gated, const TensorView& out) {
  if (out.count() == 0) return;
  const Finish finish{bias.as(), rows_of(epilogue.row_bias), out.rows() / out.shape[0], epilogue.activation, rows_of(epilogue.residual)};
  const bool typed = (sums.dtype == out.dtype || sums.dtype == DType::float32) && (!epilogue.residual || epilogue.residual.dtype == out.dtype);
  const bool bias_packs = !bias || reinterpret_cast<std::uintptr_t>(bias.data) % 16 == 0;
  const bool plain = !gated || (!epilogue.row_bias && !epilogue.residual);
  if (plain && typed && packs(sums) && packs(out) && bias_packs && packs_or_empty(epilogue.row_bias) && packs_or_empty(epilogue.residual)) {
    with_type(out.dtype, [&]<typename T>() {
      if (sums.dtype == out.dtype) {
        launch_finish<T, T>(backend, sums, finish, gated, out);
      } else {
        launch_finish<float, T>(backend, sums, finish, gated, out);
      }
    });
    return;
  }
  finish_any<<<stride_blocks(out.count()), 256, 0, backend.stream()>>>(rows_of(sums), finish, gated, rows_of(out), out.shape.back(), out.count());
  require_launched("finish_any");
}

}  // namespace impasto::cuda
