// The way to the CUDA backend, for builds that have it and builds that do not (no_cuda.cc).
#pragma once

#include <memory>
#include <optional>

#include "backend/backend.h"

namespace impasto {

/// 0 where there is no GPU, no driver, or no CUDA in this build.
int count_cuda_devices();
/// The first that the backend computes on; nothing where there is none.
std::optional<int> first_usable_cuda_device();
/// Throws unsupported for a device that is not there, and where this build has no CUDA.
std::unique_ptr<Backend> make_cuda_backend(int index, DType features);

}  // namespace impasto
