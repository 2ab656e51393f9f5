// Host memory: the device is the host, so upload and download are copies. And which arithmetic there is.
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/isa.h"
#include "backend/registry.h"

namespace impasto {

DType CpuBackend::factor_type() const { return arithmetic_ == DType::float16 && !has_float16_instructions() ? DType::float32 : arithmetic_; }

Backend& CpuBackend::with_wide_range() { return factor_type() == DType::float16 ? backend_for("cpu", DType::float32) : *this; }

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
