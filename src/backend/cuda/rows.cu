// Operations on whole rows: softmax where scores are kept, and token merging.
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"

namespace impasto {
namespace cuda {
namespace {

constexpr int kRowThreads = 256;
constexpr int kSources = 4;  // rows that a block compares with all targets: what it reads of a target serves them all

// --- softmax

/// A block for each row, which stays in its registers; N packets a thread at most. In the base of 2: factor is scale * log2(e).
template <typename T, int N>
__global__ void __launch_bounds__(kRowThreads)
    softmax_packets(T* scores, std::int64_t stride, int columns, std::int64_t queries, float factor, bool causal) {
  __shared__ float shared[kRowThreads / 32];
  const std::int64_t row = blockIdx.x;
  const int visible = causal ? static_cast<int>(min(row % queries + 1, static_cast<std::int64_t>(columns))) : columns;
  scores += row * stride;
  Packet<T> packets[N];
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const int column = (k * kRowThreads + static_cast<int>(threadIdx.x)) * 8;
    if (column < visible) packets[k] = load_packet(scores + column);
  }
  float values[N][8];
  float peak = -INFINITY;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const int column = (k * kRowThreads + static_cast<int>(threadIdx.x)) * 8;
    if (column < visible) packets[k].unpack(values[k]);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] = column + i < visible ? values[k][i] * factor : -INFINITY;
      peak = fmaxf(peak, values[k][i]);
    }
  }
  peak = block_max(peak, shared);
  float sum = 0;
#pragma unroll
  for (int k = 0; k < N; ++k) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      values[k][i] = exp2f(values[k][i] - peak);
      sum += values[k][i];
    }
  }
  const float inverse = 1.0f / block_sum(sum, shared);
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const int column = (k * kRowThreads + static_cast<int>(threadIdx.x)) * 8;
    if (column >= columns) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) values[k][i] *= inverse;
    store_eight(scores + column, values[k]);
  }
}

__global__ void __launch_bounds__(kRowThreads)
    softmax_any(Rows scores, std::int64_t rows, std::int64_t columns, std::int64_t queries, float factor, bool causal) {
  __shared__ float shared[kRowThreads / 32];
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const std::int64_t visible = causal ? min(row % queries + 1, columns) : columns;
    float peak = -INFINITY, sum = 0;
    for (std::int64_t i = threadIdx.x; i < visible; i += kRowThreads) peak = fmaxf(peak, scores.get(row, i) * factor);
    peak = block_max(peak, shared);
    for (std::int64_t i = threadIdx.x; i < visible; i += kRowThreads) sum += exp2f(scores.get(row, i) * factor - peak);
    const float inverse = 1.0f / block_sum(sum, shared);
    for (std::int64_t i = threadIdx.x; i < columns; i += kRowThreads) {
      scores.set(row, i, i < visible ? exp2f(scores.get(row, i) * factor - peak) * inverse : 0.0f);
    }
  }
}

template <typename T>
void launch_softmax(CudaBackend& backend, const TensorView& scores, float factor, bool causal) {
  const int columns = static_cast<int>(scores.shape.back());
  const auto launch = [&](auto kernel) {
    kernel<<<static_cast<unsigned>(scores.rows()), kRowThreads, 0, backend.stream()>>>(scores.as<T>(), scores.row_stride, columns, scores.shape[1],
                                                                                       factor, causal);
  };
  const int packets = (columns / 8 + kRowThreads - 1) / kRowThreads;
  if (packets <= 1) {
    launch(softmax_packets<T, 1>);
  } else if (packets <= 2) {
    launch(softmax_packets<T, 2>);
  } else if (packets <= 4) {
    launch(softmax_packets<T, 4>);
  } else {
    launch(softmax_packets<T, 8>);
  }
  require_launched("softmax_packets");
}

// --- token merging

/// A block for kSources sources of one image; a warp has every 8th target.
__global__ void __launch_bounds__(kRowThreads)
    match_rows_kernel(Rows x, std::int64_t tokens, int channels, const std::int32_t* sources, std::int64_t source_count, const std::int32_t* targets,
                      std::int64_t target_count, std::int64_t blocks_per_image, std::int32_t* matches, float* cosines) {
  extern __shared__ float rows[];  // [kSources, channels]
  __shared__ float best_cosine[kSources][kRowThreads / 32];
  __shared__ std::int32_t best_match[kSources][kRowThreads / 32];
  const std::int64_t image = blockIdx.x / blocks_per_image, first = (blockIdx.x % blocks_per_image) * kSources;
  const int own = static_cast<int>(min(static_cast<std::int64_t>(kSources), source_count - first));
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int s = 0; s < kSources; ++s) {
    for (int i = static_cast<int>(threadIdx.x); i < channels; i += kRowThreads) {
      rows[s * channels + i] = s < own ? x.get(image * tokens + sources[first + s], i) : 0.0f;
    }
  }
  __syncthreads();
  float lengths[kSources], best[kSources];
  std::int32_t match[kSources];
#pragma unroll
  for (int s = 0; s < kSources; ++s) {
    float sum = 0;
    for (int i = lane; i < channels; i += 32) sum = fmaf(rows[s * channels + i], rows[s * channels + i], sum);
    lengths[s] = sqrtf(warp_sum(sum));
    best[s] = -2;
    match[s] = 0;
  }
  for (std::int64_t t = warp; t < target_count; t += kRowThreads / 32) {
    const std::int64_t row = image * tokens + targets[t];
    float products[kSources] = {}, squares = 0;
    for (int i = lane; i < channels; i += 32) {
      const float value = x.get(row, i);
      squares = fmaf(value, value, squares);
#pragma unroll
      for (int s = 0; s < kSources; ++s) products[s] = fmaf(rows[s * channels + i], value, products[s]);
    }
    const float length = sqrtf(warp_sum(squares));
#pragma unroll
    for (int s = 0; s < kSources; ++s) {
      const float both = lengths[s] * length, product = warp_sum(products[s]);
      const float cosine = both > 0 ? product / both : 0.0f;
      if (cosine > best[s]) {
        best[s] = cosine;
        match[s] = static_cast<std::int32_t>(t);
      }
    }
  }
#pragma unroll
  for (int s = 0; s < kSources; ++s) {
    if (lane == 0) {
      best_cosine[s][warp] = best[s];
      best_match[s][warp] = match[s];
    }
  }
  __syncthreads();
  const int s = static_cast<int>(threadIdx.x);
  if (s >= own) return;
  float cosine = best_cosine[s][0];
  std::int32_t found = best_match[s][0];
  for (int w = 1; w < kRowThreads / 32; ++w) {
    const bool earlier = best_cosine[s][w] == cosine && best_match[s][w] < found;
    if (best_cosine[s][w] > cosine || earlier) {
      cosine = best_cosine[s][w];
      found = best_match[s][w];
    }
  }
  matches[image * source_count + first + s] = found;
  cosines[image * source_count + first + s] = cosine;
}

/// A block for each row of out, a thread for each channel; adds in the order of x's rows.
__global__ void __launch_bounds__(kRowThreads)
    mean_rows_kernel(Rows x, std::int64_t tokens, std::int64_t channels, const std::int32_t* slots, std::int64_t out_rows, Rows out) {
  __shared__ std::int32_t chunk[kRowThreads];
  const std::int64_t image = blockIdx.x / out_rows, slot = blockIdx.x % out_rows;
  slots += image * tokens;
  for (std::int64_t first_channel = 0; first_channel < channels; first_channel += kRowThreads) {
    const std::int64_t channel = first_channel + threadIdx.x;
    float sum = 0;
    int count = 0;
    for (std::int64_t first = 0; first < tokens; first += kRowThreads) {
      const bool mine = first + threadIdx.x < tokens && slots[first + threadIdx.x] == slot;
      if (__syncthreads_or(mine) == 0) continue;  // most rows' places are elsewhere
      chunk[threadIdx.x] = mine ? 1 : 0;
      __syncthreads();
      for (int i = 0; i < kRowThreads; ++i) {
        if (chunk[i] == 0) continue;
        ++count;
        if (channel < channels) sum += x.get(image * tokens + first + i, channel);
      }
      __syncthreads();
    }
    if (channel < channels) out.set(blockIdx.x, channel, sum / static_cast<float>(count));
  }
}

__global__ void spread_rows_kernel(Rows x, std::int64_t x_rows, const std::int32_t* slots, Rows residual, Rows out, std::int64_t out_rows,
                                   std::int64_t channels, std::int64_t count) {
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) {
    const std::int64_t row = i / channels, channel = i % channels;
    out.set(row, channel, x.get(row / out_rows * x_rows + slots[row], channel) + residual.get(row, channel));
  }
}

/// The device's copy of what the host chose; the host's may go once this returns, as pageable memory is staged first.
void copy_to(std::int32_t* to, std::span<const std::int32_t> from, cudaStream_t stream) {
  require_cuda(cudaMemcpyAsync(to, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream), "uploading places of rows");
}

}  // namespace

void softmax_rows(CudaBackend& backend, const TensorView& scores, float scale, bool causal) {
  if (scores.count() == 0) return;
  const float factor = scale * 1.44269504088896341f;
  if (packs(scores) && scores.shape.back() <= 8 * 8 * kRowThreads && scores.rows() < (std::int64_t{1} << 31)) {
    with_type(scores.dtype, [&]<typename T>() { launch_softmax<T>(backend, scores, factor, causal); });
    return;
  }
  const auto blocks = static_cast<unsigned>(std::min<std::int64_t>(scores.rows(), 65536));
  softmax_any<<<blocks, kRowThreads, 0, backend.stream()>>>(rows_of(scores), scores.rows(), scores.shape.back(), scores.shape[1], factor, causal);
  require_launched("softmax_any");
}

}  // namespace cuda

void CudaBackend::match_rows(const TensorView& x, std::span<const std::int32_t> sources, std::span<const std::int32_t> targets,
                             std::span<std::int32_t> matches, std::span<float> cosines) {
  if (sources.empty()) return;
  const cudaStream_t queue = stream();
  const std::int64_t images = x.shape[0], tokens = x.shape[1], channels = x.shape[2];
  const std::size_t shared = static_cast<std::size_t>(channels) * cuda::kSources * sizeof(float);
  if (shared > (std::size_t{46} << 10)) fail(ErrorKind::unsupported, "CUDA: token merging in rows of ", channels, " channels");
  const Scratch places(*this, (sources.size() + targets.size() + matches.size()) * sizeof(std::int32_t));
  const Scratch values(*this, cosines.size() * sizeof(float));
  auto* const device_sources = places.as<std::int32_t>();
  auto* const device_targets = device_sources + sources.size();
  auto* const device_matches = device_targets + targets.size();
  cuda::copy_to(device_sources, sources, queue);
  cuda::copy_to(device_targets, targets, queue);
  const auto count = static_cast<std::int64_t>(sources.size()), blocks = (count + cuda::kSources - 1) / cuda::kSources;
  cuda::match_rows_kernel<<<static_cast<unsigned>(blocks * images), cuda::kRowThreads, shared, queue>>>(
      cuda::rows_of(x), tokens, static_cast<int>(channels), device_sources, count, device_targets, static_cast<std::int64_t>(targets.size()), blocks,
      device_matches, values.as<float>());
  require_launched("match_rows");
  require_cuda(cudaMemcpyAsync(matches.data(), device_matches, matches.size_bytes(), cudaMemcpyDeviceToHost, queue), "reading matches");
  require_cuda(cudaMemcpyAsync(cosines.data(), values.data(), cosines.size_bytes(), cudaMemcpyDeviceToHost, queue), "reading cosines");
  require_cuda(cudaStreamSynchronize(queue), "matching rows");
}

void CudaBackend::mean_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& out) {
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  const Scratch places(*this, slots.size_bytes());
  cuda::copy_to(places.as<std::int32_t>(), slots, queue);
  cuda::mean_rows_kernel<<<static_cast<unsigned>(out.rows()), cuda::kRowThreads, 0, queue>>>(
      cuda::rows_of(x), x.shape[1], x.shape[2], places.as<std::int32_t>(), out.shape[1], cuda::rows_of(out));
  require_launched("mean_rows");
}

void CudaBackend::spread_rows(const TensorView& x, std::span<const std::int32_t> slots, const TensorView& residual, const TensorView& out) {
  if (out.count() == 0) return;
  const cudaStream_t queue = stream();
  const Scratch places(*this, slots.size_bytes());
  cuda::copy_to(places.as<std::int32_t>(), slots, queue);
  cuda::spread_rows_kernel<<<cuda::stride_blocks(out.count()), 256, 0, queue>>>(
      cuda::rows_of(x), x.shape[1], places.as<std::int32_t>(), cuda::rows_of(residual), cuda::rows_of(out), out.shape[1], out.shape[2], out.count());
  require_launched("spread_rows");
}

}  // namespace impasto
