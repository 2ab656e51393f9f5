// Layer normalisation, and affine maps with an activation.
#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto {
namespace cuda {
namespace {

constexpr int kLayerWarps = 4;

/// L lanes of a warp for each row, which stays in their registers: N packets in a lane at most. Where there are registers for them, gamma and beta
/// come with the row.
template <typename T, int L, int N>
__global__ void __launch_bounds__(kLayerWarps * 32, 4) layer_norm_rows(const T* x, std::int64_t x_stride, const float* gamma, const float* beta,
                                                                       float eps, std::int64_t rows, int channels, T* out, std::int64_t out_stride) {
  constexpr bool kEarly = N <= 5 && sizeof(T) == 2;
  const std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * (kLayerWarps * 32) + threadIdx.x) / L;
  const bool active = row < rows;  // the warp's other lanes may have rows yet
  const int lane = static_cast<int>(threadIdx.x) % L, packets = active ? channels / 8 : 0;
  x += row * x_stride;
  out += row * out_stride;
  const auto sum_of_row = [](float v) {
#pragma unroll
    for (int step = L / 2; step > 0; step /= 2) v += __shfl_xor_sync(0xFFFFFFFFu, v, step);
    return v;
  };
  Packet<T> raw[N];
#pragma unroll
  for (int k = 0; k < N; ++k) {
    if (lane + k * L < packets) raw[k] = load_packet(x + (lane + k * L) * 8);
  }
  float factors[kEarly ? N : 1][8], offsets[kEarly ? N : 1][8];
  if constexpr (kEarly) {
#pragma unroll
    for (int k = 0; k < N; ++k) {
      if (lane + k * L >= packets) continue;
      load_eight(gamma + (lane + k * L) * 8, factors[k]);
      load_eight(beta + (lane + k * L) * 8, offsets[k]);
    }
  }
  float sum = 0;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    if (lane + k * L >= packets) continue;
    float values[8];
    raw[k].unpack(values);
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += values[i];
  }
  const float mean = sum_of_row(sum) / static_cast<float>(channels);
  float squares = 0;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    if (lane + k * L >= packets) continue;
    float values[8];
    raw[k].unpack(values);
#pragma unroll
    for (int i = 0; i < 8; ++i) squares = fmaf(values[i] - mean, values[i] - mean, squares);
  }
  const float inverse = 1.0f / sqrtf(sum_of_row(squares) / static_cast<float>(channels) + eps);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const int column = (lane + k * L) * 8;
    if (lane + k * L >= packets) continue;
    const int at = kEarly ? k : 0;
    if constexpr (!kEarly) {
      load_eight(gamma + column, factors[at]);
      load_eight(beta + column, offsets[at]);
    }
    float values[8];
    raw[k].unpack(values);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] = fmaf((values[i] - mean) * inverse, factors[at][i], offsets[at][i]);
    store_eight(out + column, values);
  }
}

/// A block for each row, of any types and length.
__global__ void layer_norm_any(const void* x, DType x_type, std::int64_t x_stride, const float* gamma, const float* beta, float eps,
                               std::int64_t rows, std::int64_t channels, void* out, DType out_type, std::int64_t out_stride) {
  __shared__ float shared[8];
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    float sum = 0, squares = 0;
    for (std::int64_t i = threadIdx.x; i < channels; i += blockDim.x) sum += load_any(x, row * x_stride + i, x_type);
    const float mean = block_sum(sum, shared) / static_cast<float>(channels);
    for (std::int64_t i = threadIdx.x; i < channels; i += blockDim.x) {
      const float d = load_any(x, row * x_stride + i, x_type) - mean;
      squares = fmaf(d, d, squares);
    }
    const float inverse = 1.0f / sqrtf(block_sum(squares, shared) / static_cast<float>(channels) + eps);
    for (std::int64_t i = threadIdx.x; i < channels; i += blockDim.x) {
      const float y = (load_any(x, row * x_stride + i, x_type) - mean) * inverse;
      store_any(out, row * out_stride + i, out_type, fmaf(y, gamma[i], beta[i]));
    }
  }
}

bool aligned(const TensorView& t) { return reinterpret_cast<std::uintptr_t>(t.data) % 16 == 0; }

template <typename T>
void launch_layer_norm(cudaStream_t stream, const TensorView& x, const float* gamma, const float* beta, float eps, const TensorView& out) {
  const std::int64_t rows = x.rows();
  const int channels = static_cast<int>(x.shape.back());
  const auto launch = [&](auto kernel, int lanes) {
    const int block_rows = kLayerWarps * 32 / lanes;
    kernel<<<static_cast<unsigned>((rows + block_rows - 1) / block_rows), kLayerWarps * 32, 0, stream>>>(x.as<T>(), x.row_stride, gamma, beta, eps,
                                                                                                         rows, channels, out.as<T>(), out.row_stride);
  };
  if (channels <= 8 * 5 * 8) {
    launch(layer_norm_rows<T, 8, 5>, 8);
  } else if (channels <= 16 * 5 * 8) {
    launch(layer_norm_rows<T, 16, 5>, 16);
  } else if (channels <= 32 * 3 * 8) {
    launch(layer_norm_rows<T, 32, 3>, 32);
  } else if (channels <= 32 * 5 * 8) {
    launch(layer_norm_rows<T, 32, 5>, 32);
  } else {
    launch(layer_norm_rows<T, 32, 8>, 32);
  }
  require_launched("layer_norm_rows");
}

}  // namespace
}  // namespace cuda

void CudaBackend::apply_affine(const TensorView& x, const TensorView& scale, const TensorView& shift, Activation activation, const TensorView& out) {
  if (x.count() == 0) return;
  const Shape map{x.shape[0], 1, x.rows() / x.shape[0], x.shape.back()};
  cuda::stage_map(*this, TensorView(x.data, x.dtype, map, x.row_stride), Prologue{scale, shift, activation}, 1, 0, 0,
                  TensorView(out.data, out.dtype, map, out.row_stride));
}

void CudaBackend::layer_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, float eps, const TensorView& out) {
  if (x.count() == 0) return;
  const cudaStream_t queue = stream();
  if (x.dtype == out.dtype && x.shape.back() <= 8 * 256 && cuda::packs(x) && cuda::packs(out) && cuda::aligned(gamma) && cuda::aligned(beta)) {
    cuda::with_type(x.dtype, [&]<typename T>() { cuda::launch_layer_norm<T>(queue, x, gamma.as(), beta.as(), eps, out); });
    return;
  }
  const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(x.rows(), 65536));
  cuda::layer_norm_any<<<blocks, 256, 0, queue>>>(x.data, x.dtype, x.row_stride, gamma.as(), beta.as(), eps, x.rows(), x.shape.back(), out.data,
                                                  out.dtype, out.row_stride);
  require_launched("layer_norm_any");
}

}  // namespace impasto
