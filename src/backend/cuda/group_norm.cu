// Group normalisation of any map, as an affine map: a block for each group. What networks normalise goes another way (group_norm_moments.cu).
#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto {
namespace cuda {
namespace {

constexpr int kGroupThreads = 512;

struct Affine {
  const float* gamma;
  const float* beta;
  float eps;
  float* scale;
  float* shift;
  std::int64_t scale_stride, shift_stride;

  __device__ __forceinline__ void write(std::int64_t image, int channel, double mean, double inverse) const {
    const double factor = gamma[channel] * inverse;
    scale[image * scale_stride + channel] = static_cast<float>(factor);
    shift[image * shift_stride + channel] = static_cast<float>(beta[channel] - mean * factor);
  }
};

/// Sums of values less the first of them: exact where all are alike, and the first is one of them, so it is not far off.
struct Shifted {
  float first = 0, sum = 0, squares = 0;
  __device__ __forceinline__ void add(float x) {
    const float d = x - first;
    sum += d;
    squares = fmaf(d, d, squares);
  }
  __device__ __forceinline__ float mean(float inverse_count) const { return first + sum * inverse_count; }
  __device__ __forceinline__ float deviations(float inverse_count) const { return fmaxf(squares - sum * (sum * inverse_count), 0.0f); }
};

/// A block for each image and group; W divides the group's channels.
template <typename T, int W>
__global__ void __launch_bounds__(kGroupThreads)
    group_whole(const T* x, std::int64_t stride, std::int64_t rows, int width, int groups, Affine affine) {
  __shared__ float shared[kGroupThreads / 32];
  const int image = static_cast<int>(blockIdx.x) / groups, group = static_cast<int>(blockIdx.x) % groups;
  const int packets = width / W, span = min(packets, kGroupThreads), lanes = kGroupThreads / span;
  const int lane = static_cast<int>(threadIdx.x) / span, first_column = static_cast<int>(threadIdx.x) % span;
  x += image * rows * stride + group * width;

  Shifted sums;
  std::int64_t taken = 0;
  if (lane < lanes && lane < rows) {
    sums.first = load(x + lane * stride + first_column * W);
    for (int column = first_column; column < packets; column += span) {
      const T* from = x + column * W;
#pragma unroll 4
      for (std::int64_t row = lane; row < rows; row += lanes) {
        float values[W];
        if constexpr (W == 1) {
          values[0] = load(from + row * stride);
        } else {
          load_packet<T, W>(from + row * stride).unpack(values);
        }
#pragma unroll
        for (int i = 0; i < W; ++i) sums.add(values[i]);
        taken += W;
      }
    }
  }
  const float count = static_cast<float>(taken), inverse_count = 1.0f / fmaxf(count, 1.0f),
              all = static_cast<float>(rows) * static_cast<float>(width);
  const float own = taken == 0 ? 0.0f : sums.mean(inverse_count);
  const float mean = block_sum(own * (count / all), shared);
  const float d = own - mean;
  const float squares = block_sum(taken == 0 ? 0.0f : fmaf(count * d, d, sums.deviations(inverse_count)), shared);
  const double inverse = 1.0 / sqrt(static_cast<double>(squares / all) + affine.eps);
  for (int i = static_cast<int>(threadIdx.x); i < width; i += kGroupThreads) affine.write(image, group * width + i, mean, inverse);
}

template <typename T>
void launch_group_norm(CudaBackend& backend, const TensorView& x, int groups, const Affine& affine) {
  const std::int64_t images = x.shape[0], rows = x.rows() / images, channels = x.shape.back(), width = channels / groups;
  const cudaStream_t stream = backend.stream();
  const T* data = x.as<T>();
  const auto blocks = static_cast<unsigned>(images * groups);
  const int w = static_cast<int>(width);
  if (packs(x) && width % 8 == 0) {
    group_whole<T, 8><<<blocks, kGroupThreads, 0, stream>>>(data, x.row_stride, rows, w, groups, affine);
  } else if (packs(x) && width % 4 == 0) {
    group_whole<T, 4><<<blocks, kGroupThreads, 0, stream>>>(data, x.row_stride, rows, w, groups, affine);
  } else {
    group_whole<T, 1><<<blocks, kGroupThreads, 0, stream>>>(data, x.row_stride, rows, w, groups, affine);
  }
  require_launched("group_whole");
}

}  // namespace
}  // namespace cuda

void CudaBackend::group_norm_affine(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps,
                                    const TensorView& scale, const TensorView& shift) {
  if (x.count() == 0) return;
  const cuda::Affine affine{gamma.as(), beta.as(), eps, scale.as(), shift.as(), scale.row_stride, shift.row_stride};
  cuda::with_type(x.dtype, [&]<typename T>() { cuda::launch_group_norm<T>(*this, x, groups, affine); });
}

void CudaBackend::group_norm(const TensorView& x, const TensorView& gamma, const TensorView& beta, int groups, float eps, Activation activation,
                             const TensorView& out) {
  if (x.count() == 0) return;
  if (cuda::group_norm_by_moments(*this, x, gamma, beta, groups, eps, activation, out)) return;
  Backend::group_norm(x, gamma, beta, groups, eps, activation, out);
}

}  // namespace impasto
