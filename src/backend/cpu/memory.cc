// Host memory: the device is the host, so upload and download are copies.
#include <cstring>

#include "backend/cpu/cpu_backend.h"

namespace impasto {

void* CpuBackend::allocate(std::size_t bytes) { return pool_.allocate(bytes); }

void CpuBackend::deallocate(void* block, std::size_t bytes) noexcept { pool_.deallocate(block, bytes); }

void CpuBackend::release_cached_memory() { pool_.release(); }

void CpuBackend::upload(const void* host, void* device, std::size_t bytes) {
  if (bytes != 0) std::memcpy(device, host, bytes);
}

void CpuBackend::download(const void* device, void* host, std::size_t bytes) {
  if (bytes != 0) std::memcpy(host, device, bytes);
}

}  // namespace impasto
