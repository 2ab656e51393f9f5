// Memory blocks kept for reuse, so that a loop which repeats its shapes allocates nothing after its first turn.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

namespace impasto {

/// Safe for several threads. Blocks are 64-byte aligned, rounded up to a size class, and go to whoever asks for that class next.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  /// Throws out_of_memory naming the size, after giving cached blocks back and trying again.
  void* allocate(std::size_t bytes);
  void deallocate(void* block, std::size_t bytes) noexcept;
  /// Gives every block that nobody holds back to the system.
  void release();
  /// Calls to the system so far: a test reads it around a step.
  std::size_t system_allocations() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  std::size_t system_allocations_ = 0;
};

/// Working memory of one call: floats from the pool, given back at the end of the scope.
class Scratch {
 public:
  Scratch(BlockPool& pool, std::size_t floats) : pool_(pool), bytes_(floats * sizeof(float)), data_(static_cast<float*>(pool.allocate(bytes_))) {}
  ~Scratch() { pool_.deallocate(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data() const { return data_; }

 private:
  BlockPool& pool_;
  std::size_t bytes_;
  float* data_;
};

}  // namespace impasto
