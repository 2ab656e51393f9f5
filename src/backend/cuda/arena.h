// Device memory that is kept for reuse.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_set>
#include <vector>

namespace impasto {

/// Blocks go back when the arena does. All work on them is queued on one stream, so that a block may be taken again while what used it is still
/// queued. Safe for several threads.
class CudaArena {
 public:
  /// When a device has no room for one of its arenas, all that are not `lasting` give back what nobody uses. A recording's is lasting: what it runs
  /// names blocks that nobody has in hand.
  CudaArena(int device, bool lasting);
  ~CudaArena();
  CudaArena(const CudaArena&) = delete;
  CudaArena& operator=(const CudaArena&) = delete;

  void* take(std::size_t bytes);                            ///< throws out_of_memory
  void give_back(void* block, std::size_t bytes) noexcept;  /// `bytes` as asked for
  bool owns(void* block) const;
  void release();              ///< returns what nobody uses to the device
  std::size_t unused() const;  ///< bytes that release() would return

 private:
  void release_locked() noexcept;

  const int device_;
  const bool lasting_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;  // by size
  std::unordered_set<void*> blocks_;
};

}  // namespace impasto
