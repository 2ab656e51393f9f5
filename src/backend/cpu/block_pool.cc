#include "backend/cpu/block_pool.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <new>

#include <sys/mman.h>

#include "backend/cpu/page_reserve.h"
#include "core/fail.h"
#include "core/threads.h"

namespace impasto {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMapped = std::size_t{1} << 20;      // from here on a block is a mapping of its own, so release() truly gives it back
constexpr std::size_t kHugePage = PageReserve::kHugePage;  // measured on 64 MB: 4 times faster to touch first, 1.5 to 2 times faster to pass over

/// The next multiple of a page up to 1 MiB, above that of an eighth of the power of two below it: at most 1/8 more than asked, and pages
/// that nobody touches are never resident. 0 when the size is beyond any machine.
std::size_t size_class(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 47)) return 0;
  const std::size_t step = bytes <= kMapped ? kPage : std::max(kPage, std::bit_floor(bytes - 1) / 8);
  const std::size_t n = bytes == 0 ? 1 : bytes;
  return (n + step - 1) / step * step;
}

void* map_block(std::size_t size) {
  // Huge pages need a start on a 2 MiB boundary: map more and give the ends back.
  const std::size_t extra = size >= kHugePage ? kHugePage - kPage : 0;
  void* const mapped = mmap(nullptr, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (extra == 0) return mapped;
  char* const begin = static_cast<char*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before != 0) munmap(begin, before);
  if (extra != before) munmap(begin + before + size, extra - before);
#if defined(MADV_HUGEPAGE)
  madvise(begin + before, size, MADV_HUGEPAGE);
#endif
  return begin + before;
}

void* system_allocate(std::size_t size) {
  if (size >= kMapped) {
    void* const block = map_block(size);
    return block == nullptr || page_reserve().fill(block, size) ? block : map_block(size);
  }
  return ::operator new (size, std::align_val_t{64}, std::nothrow);
}

void system_free(void* block, std::size_t size) noexcept {
  if (size >= kMapped) {
    page_reserve().forget(block);
    munmap(block, size);
  } else {
    ::operator delete (block, std::align_val_t{64});
  }
}

}  // namespace

BlockPool::~BlockPool() { release(); }

void* BlockPool::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  if (size != 0) {
    const std::lock_guard lock(mutex_);
    const auto found = free_.find(size);
    if (found != free_.end() && !found->second.empty()) {
      void* const block = found->second.back();
      found->second.pop_back();
      return block;
    }
    ++system_allocations_;
    if (void* const block = system_allocate(size)) return block;
  }
  release();
  void* const block = size != 0 ? system_allocate(size) : nullptr;
  if (block == nullptr) {
    fail(ErrorKind::out_of_memory, "could not allocate ", bytes, " bytes (", bytes >> 20,
         " MiB) for a tensor; a smaller size or fewer images need less");
  }
  return block;
}

void BlockPool::deallocate(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t size = size_class(bytes);
  try {
    const std::lock_guard lock(mutex_);
    free_[size].push_back(block);
  } catch (const std::bad_alloc&) {  // no memory even for the list's entry: let the block go
    system_free(block, size);
  }
}

void BlockPool::release() {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    for (void* block : blocks) system_free(block, size);
  }
  free_.clear();
  page_reserve().release();
}

void BlockPool::recycle() {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    if (size < kHugePage) continue;
    for (void* block : blocks) page_reserve().add(block, size);
    blocks.clear();
  }
}

std::size_t BlockPool::system_allocations() const {
  const std::lock_guard lock(mutex_);
  return system_allocations_;
}

namespace {

std::vector<std::int64_t> offsets_of(std::initializer_list<std::int64_t> parts) {
  std::vector<std::int64_t> offsets = {0};
  for (std::int64_t part : parts) offsets.push_back(offsets.back() + (part + 15) / 16 * 16);
  return offsets;
}

}  // namespace

ThreadScratch::ThreadScratch(BlockPool& pool, std::initializer_list<std::int64_t> parts)
    : threads_(num_threads()), offsets_(offsets_of(parts)), memory_(pool, static_cast<std::size_t>(threads_ * offsets_.back())) {}

}  // namespace impasto
