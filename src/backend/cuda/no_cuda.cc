// Stands in for the CUDA backend in a build without it.
#include "backend/cuda/cuda.h"
#include "core/fail.h"

namespace impasto {

int count_cuda_devices() { return 0; }

std::optional<int> first_usable_cuda_device() { return {}; }

std::unique_ptr<Backend> make_cuda_backend(int, DType) {
  fail(ErrorKind::unsupported, "this build has no CUDA: configure it with -DIMPASTO_CUDA=ON, or use device \"cpu\"");
}

}  // namespace impasto
