// The device itself.
#include "backend/cuda/arena.h"
#include "backend/cuda/check.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/graph.h"
#include "backend/cuda/libraries.h"
#include "backend/cuda/products.h"
#include "backend/registry.h"

namespace impasto {
namespace {

constexpr int kLeastMajor = 8;  // Ampere

}  // namespace

int count_cuda_devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // no driver
  return 0;
}

std::optional<int> first_usable_cuda_device() {
  for (int i = 0, n = count_cuda_devices(); i < n; ++i) {
    int major = 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i) == cudaSuccess && major >= kLeastMajor) return i;
  }
  return {};
}

std::unique_ptr<Backend> make_cuda_backend(int index, DType features) { return std::make_unique<CudaBackend>(index, features); }

CudaBackend::CudaBackend(int index, DType features)
    : index_(index), features_(features), arena_(std::make_unique<CudaArena>(index, /*lasting=*/false)) {
  const int devices = count_cuda_devices();
  if (devices == 0) fail(ErrorKind::unsupported, "there is no CUDA device, or no driver for it; use device \"cpu\"");
  if (index >= devices) fail(ErrorKind::unsupported, "there is no CUDA device ", index, ": there are ", devices, ", counted from 0");
  int major = 0;
  require_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index), "describing the device");
  if (major < kLeastMajor)
    fail(ErrorKind::unsupported, "CUDA device ", index, " has compute capability ", major, ".x; 8.0 (Ampere) is the least; use \"cpu\"");
  require_cuda(cudaSetDevice(index), "choosing the device");
  require_cuda(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, index), "describing the device");
  require_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  libraries_ = std::make_unique<CudaLibraries>(index);
}

CudaBackend::~CudaBackend() {
  stream();
  cudaStreamSynchronize(stream_);
  libraries_.reset();
  cudaStreamDestroy(stream_);
}

Backend& CudaBackend::with_wide_range() { return features_ == DType::float16 ? backend_for(concat("cuda:", index_), DType::bfloat16) : *this; }

cudaStream_t CudaBackend::stream() const {
  int current = -1;  // asked for each time: a thread's device is anybody's to change
  if (cudaGetDevice(&current) != cudaSuccess || current != index_) require_cuda(cudaSetDevice(index_), "choosing the device");
  const Capture* capture = Capture::of(*this);
  return capture != nullptr ? capture->stream : stream_;
}

void CudaBackend::wait() { require_cuda(cudaStreamSynchronize(stream()), "waiting for the device"); }

DeviceDescription CudaBackend::describe() const {
  cudaDeviceProp properties{};
  require_cuda(cudaGetDeviceProperties(&properties, index_), "describing the device");
  return {properties.name, concat("sm_", properties.major, properties.minor)};
}

double CudaBackend::measure_peak_gflops(DType) {
  constexpr std::int64_t kSide = 8192;
  return cuda::time_square_product(*this, kSide);
}

}  // namespace impasto
