// Memory blocks kept for reuse, so that a loop which repeats its shapes allocates nothing after its first turn.
#pragma once

#include <cstddef>
#include <initializer_list>
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
  /// Gives every block that nobody holds, and what was recycled, back to the system.
  void release();
  /// Makes blocks that nobody holds into those that are asked for next, whatever their sizes.
  void recycle();
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

/// Working memory of every thread of one call, taken before they start: which of them come late must not decide how much is allocated.
class ThreadScratch {
 public:
  /// Parts of so many floats for each thread of num_threads().
  ThreadScratch(BlockPool& pool, std::initializer_list<std::int64_t> parts);

  int threads() const { return threads_; }
  /// Part `index` of thread `thread`, on a cache line of its own.
  float* part(int thread, int index) const { return memory_.data() + thread * offsets_.back() + offsets_[static_cast<std::size_t>(index)]; }

 private:
  int threads_;
  std::vector<std::int64_t> offsets_;  // of the parts, and of the next thread
  Scratch memory_;
};

}  // namespace impasto
