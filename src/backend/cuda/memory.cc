// Device memory, and copies between it and the host.
#include <algorithm>
#include <bit>

#include "backend/cuda/arena.h"
#include "backend/cuda/check.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/graph.h"

namespace impasto {
namespace {

/// Sizes are rounded up by at most an eighth, so that blocks fit more than one shape.
std::size_t size_class(std::size_t bytes) {
  constexpr std::size_t kLeast = 512, kStepsPerDoubling = 8;
  if (bytes <= kLeast) return kLeast;
  const std::size_t step = std::max(std::bit_floor(bytes) / kStepsPerDoubling, kLeast);
  return (bytes + step - 1) / step * step;
}

/// All of the process. Who holds an arena's lock never waits for this one.
struct Arenas {
  std::mutex mutex;
  std::vector<CudaArena*> list;
};

Arenas& arenas() {
  static Arenas& all = *new Arenas;
  return all;
}

}  // namespace

CudaArena::CudaArena(int device, bool lasting) : device_(device), lasting_(lasting) {
  const std::scoped_lock lock(arenas().mutex);
  arenas().list.push_back(this);
}

CudaArena::~CudaArena() {
  {
    const std::scoped_lock lock(arenas().mutex);
    std::erase(arenas().list, this);
  }
  for (void* block : blocks_) cudaFree(block);
}

void* CudaArena::take(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  {
    const std::scoped_lock lock(mutex_);
    std::vector<void*>& kept = free_[size];
    kept.reserve(64);  // giving back does not throw
    if (!kept.empty()) {
      void* block = kept.back();
      kept.pop_back();
      return block;
    }
  }
  void* block = nullptr;
  cudaError_t status = cudaMalloc(&block, size);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    {
      const std::scoped_lock lock(arenas().mutex);
      for (CudaArena* arena : arenas().list)
        if (arena->device_ == device_ && !arena->lasting_) arena->release();
    }
    status = cudaMalloc(&block, size);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    fail(ErrorKind::out_of_memory, "the GPU has no room for another ", size >> 20, " MiB: of ", total >> 20, " MiB, ", available >> 20,
         " are free; draw fewer or smaller pictures at once");
  }
  require_cuda(status, "allocating");
  const std::scoped_lock lock(mutex_);
  blocks_.insert(block);
  return block;
}

void CudaArena::give_back(void* block, std::size_t bytes) noexcept {
  const std::scoped_lock lock(mutex_);
  try {
    free_[size_class(bytes)].push_back(block);
  } catch (...) {  // no memory for the list: the block waits for the arena's end
  }
}

bool CudaArena::owns(void* block) const {
  const std::scoped_lock lock(mutex_);
  return blocks_.contains(block);
}

void CudaArena::release() {
  const std::scoped_lock lock(mutex_);
  release_locked();
}

/// cudaFree waits for the device, so nothing queued loses its memory.
void CudaArena::release_locked() noexcept {
  for (auto& [size, blocks] : free_) {
    for (void* block : blocks) {
      cudaFree(block);
      blocks_.erase(block);
    }
    blocks.clear();
  }
}

std::size_t CudaArena::unused() const {
  const std::scoped_lock lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [size, blocks] : free_) sum += size * blocks.size();
  return sum;
}

void* CudaBackend::allocate(std::size_t bytes) {
  stream();  // the device is now this thread's
  const Capture* capture = Capture::of(*this);
  if (capture == nullptr) return arena_->take(bytes);
  void* block = capture->arena.take(bytes);
  const std::scoped_lock lock(recorded_mutex_);
  recorded_.insert(block);
  return block;
}

void CudaBackend::deallocate(void* block, std::size_t bytes) noexcept {
  {
    // A recording's block goes with the recording, which may be gone by now: its address can be another block's of the common arena already. Of two
    // with one address, the first that is given back counts as the recording's, and the second is.
    const std::scoped_lock lock(recorded_mutex_);
    if (const auto found = recorded_.find(block); found != recorded_.end()) {
      recorded_.erase(found);
      const Capture* capture = Capture::of(*this);
      if (capture != nullptr && capture->arena.owns(block)) capture->arena.give_back(block, bytes);
      return;
    }
  }
  arena_->give_back(block, bytes);
}

/// Allocating anew costs more than a step, so memory is given back only when it gets short.
void CudaBackend::release_cached_memory() {
  constexpr std::size_t kShort = 8;
  stream();
  std::size_t available = 0, total = 0;
  require_cuda(cudaMemGetInfo(&available, &total), "asking for free memory");
  if (available < total / kShort) arena_->release();
}

/// Any block of the arena serves any shape.
void CudaBackend::recycle_cached_memory() {
  if (Capture::of(*this) == nullptr) release_cached_memory();
}

void CudaBackend::empty_cache() {
  stream();
  arena_->release();
}

std::int64_t CudaBackend::available_memory() const {
  stream();
  std::size_t available = 0, total = 0;
  require_cuda(cudaMemGetInfo(&available, &total), "asking for free memory");
  return static_cast<std::int64_t>(available + arena_->unused());
}

void CudaBackend::upload(const void* host, void* device, std::size_t bytes) {
  IMPASTO_CHECK(Capture::of(*this) == nullptr);
  if (bytes != 0) require_cuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()), "copying to the device");
}

void CudaBackend::download(const void* device, void* host, std::size_t bytes) {
  IMPASTO_CHECK(Capture::of(*this) == nullptr);
  if (bytes != 0) require_cuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()), "copying from the device");
  require_cuda(cudaStreamSynchronize(stream()), "waiting for the device");
}

}  // namespace impasto
