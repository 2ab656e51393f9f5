// Operations that are recorded rather than run.
#pragma once

#include <cuda_runtime_api.h>

#include "backend/cuda/arena.h"

namespace impasto {

class CudaBackend;

/// While it lives, this thread's operations on the backend go to `stream`, which captures them, and their memory comes from `arena`.
struct Capture {
  CudaBackend& backend;
  cudaStream_t stream;
  CudaArena& arena;

  Capture(CudaBackend& backend_, cudaStream_t stream_, CudaArena& arena_);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// This thread's, or nullptr.
  static const Capture* of(const CudaBackend& backend);
};

}  // namespace impasto
