#include "backend/cpu/page_reserve.h"

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace impasto {

void PageReserve::add(void* block, std::size_t size) noexcept {
  char* const begin = static_cast<char*>(block);
#if defined(MREMAP_FIXED)
  const std::lock_guard lock(mutex_);
  try {
    const auto found = seams_.find(block);
    std::size_t from = 0;
    if (found != seams_.end()) {
      for (const std::size_t to : found->second) take_back(begin + from, to - from), from = to;
      seams_.erase(found);
    }
    take_back(begin + from, size - from);
    return;
  } catch (const std::bad_alloc&) {  // no memory even for the list: what it lacks goes
    pieces_.erase(std::remove_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) { return p.begin >= begin && p.begin < begin + size; }),
                  pieces_.end());
    seams_.erase(block);
  }
#endif
  munmap(block, size);
}

/// Whole huge pages of it.
void PageReserve::take_back(char* begin, std::size_t size) {
  const std::size_t whole = size / kHugePage * kHugePage;
  if (whole != 0) pieces_.push_back({begin, whole});
  if (whole != size) munmap(begin + whole, size - whole);
}

bool PageReserve::fill(void* block, std::size_t size) {
#if defined(MREMAP_FIXED)
  const std::lock_guard lock(mutex_);
  if (pieces_.empty() || size < kHugePage) return true;
  char* const begin = static_cast<char*>(block);
  std::vector<std::size_t> seams;
  seams.reserve(pieces_.size() + 1);
  auto& kept = seams_[block];
  for (std::size_t at = 0; at + kHugePage <= size && !pieces_.empty();) {
    Piece& piece = pieces_.back();
    const std::size_t n = std::min(piece.size, (size - at) / kHugePage * kHugePage);
    if (mremap(piece.begin, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, begin + at) == MAP_FAILED) {
      // Its place may be gone, and another thread's by now: addresses are lost rather than that.
      munmap(begin, at);
      munmap(begin + at + n, size - at - n);
      seams_.erase(block);
      return false;
    }
    piece.begin += n, piece.size -= n, at += n;
    if (piece.size == 0) pieces_.pop_back();
    seams.push_back(at);
  }
  kept = std::move(seams);
#else
  (void)block, (void)size;
#endif
  return true;
}

void PageReserve::forget(void* block) noexcept {
  const std::lock_guard lock(mutex_);
  seams_.erase(block);
}

void PageReserve::release() noexcept {
  const std::lock_guard lock(mutex_);
  for (const Piece& piece : pieces_) munmap(piece.begin, piece.size);
  pieces_.clear();
}

PageReserve& page_reserve() {
  static PageReserve& reserve = *new PageReserve;  // never destroyed: pools of static objects outlive main
  return reserve;
}

}  // namespace impasto
