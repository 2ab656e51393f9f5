// CUDA's return codes as errors.
#pragma once

#include <cuda_runtime_api.h>

#include "core/fail.h"

namespace impasto {

/// Throws out_of_memory or internal, with what CUDA says of it.
inline void require_cuda(cudaError_t status, const char* doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that is not sticky is not the next call's
  fail(status == cudaErrorMemoryAllocation ? ErrorKind::out_of_memory : ErrorKind::internal, "CUDA, ", doing, ": ", cudaGetErrorString(status));
}

/// After a kernel's launch.
inline void require_launched(const char* kernel) { require_cuda(cudaGetLastError(), kernel); }

}  // namespace impasto
