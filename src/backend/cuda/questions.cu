// Questions about a tensor that the host asks.
#include <array>
#include <cmath>
#include <vector>

#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elements.cuh"

namespace impasto {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kParts = 64;  // blocks that share a tensor, or an image, whose parts are joined by the host in their order

/// flags[block] = whether the block's share has an infinity or NaN.
__global__ void __launch_bounds__(kThreads) find_not_finite(Rows x, std::int64_t count, int* flags) {
  bool found = false;
  for (std::int64_t i = stride_start(); i < count; i += stride_step()) found = found || !isfinite(load_any(x.data, i, x.type));
  const int any = __syncthreads_or(found);
  if (threadIdx.x == 0) flags[blockIdx.x] = any;
}

/// sums[image, part] of the part's values less `means`' mean, squared; with no means, of the values. Block (part, image).
__global__ void __launch_bounds__(kThreads) sum_parts(Rows x, std::int64_t size, const double* means, double* sums) {
  __shared__ double shared[kThreads / 32];
  const std::int64_t image = blockIdx.y;
  double mean = 0;
  if (means != nullptr) {
    for (int part = 0; part < kParts; ++part) mean += means[image * kParts + part];
    mean /= static_cast<double>(size);
  }
  double sum = 0;
  for (std::int64_t i = stride_start(); i < size; i += stride_step()) {
    const double value = load_any(x.data, image * size + i, x.type);
    sum += means == nullptr ? value : (value - mean) * (value - mean);
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) sums[image * kParts + blockIdx.x] = sum;
}

}  // namespace
}  // namespace cuda

bool CudaBackend::is_finite(const TensorView& x) {
  if (x.count() == 0) return true;
  const cudaStream_t queue = stream();
  std::array<int, cuda::kParts> flags{};
  const Scratch device_flags(*this, sizeof(flags));
  cuda::find_not_finite<<<cuda::kParts, cuda::kThreads, 0, queue>>>(cuda::rows_of(x), x.count(), device_flags.as<int>());
  require_launched("is_finite");
  require_cuda(cudaMemcpyAsync(flags.data(), device_flags.data(), sizeof(flags), cudaMemcpyDeviceToHost, queue), "reading flags");
  require_cuda(cudaStreamSynchronize(queue), "looking for values that are not finite");
  return std::all_of(flags.begin(), flags.end(), [](int flag) { return flag == 0; });
}

std::vector<float> CudaBackend::standard_deviation(const TensorView& x) {
  const std::int64_t images = x.shape[0];
  if (x.count() == 0) return std::vector<float>(static_cast<std::size_t>(images), std::nanf(""));
  const std::int64_t size = x.count() / images;
  const cudaStream_t queue = stream();
  std::vector<double> parts(static_cast<std::size_t>(images * cuda::kParts));
  const Scratch sums(*this, parts.size() * sizeof(double) * 2);
  double* const squares = sums.as<double>() + parts.size();
  const dim3 grid(cuda::kParts, static_cast<unsigned>(images));
  cuda::sum_parts<<<grid, cuda::kThreads, 0, queue>>>(cuda::rows_of(x), size, nullptr, sums.as<double>());
  require_launched("standard_deviation");
  cuda::sum_parts<<<grid, cuda::kThreads, 0, queue>>>(cuda::rows_of(x), size, sums.as<double>(), squares);
  require_launched("standard_deviation");
  require_cuda(cudaMemcpyAsync(parts.data(), squares, parts.size() * sizeof(double), cudaMemcpyDeviceToHost, queue), "reading sums");
  require_cuda(cudaStreamSynchronize(queue), "summing squares");
  std::vector<float> deviations;
  for (std::int64_t n = 0; n < images; ++n) {
    double sum = 0;
    for (int part = 0; part < cuda::kParts; ++part) sum += parts[static_cast<std::size_t>(n * cuda::kParts + part)];
    deviations.push_back(static_cast<float>(std::sqrt(sum / static_cast<double>(size - 1))));
  }
  return deviations;
}

}  // namespace impasto
