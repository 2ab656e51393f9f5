#include "support/failing_allocations.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#include <sys/mman.h>

namespace impasto::test {
namespace {

std::atomic<bool> armed{false}, forever{false};
std::atomic<std::int64_t> calls{0}, failing{0};

bool fails() {
  if (!armed.load(std::memory_order_relaxed)) return false;
  const std::int64_t call = ++calls, first = failing;
  return first != 0 && (call == first || (forever && call > first));
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (fails()) return nullptr;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(bytes != 0 ? bytes : 1);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment = 1) {
  if (void* const block = allocate(bytes, alignment)) return block;
  throw std::bad_alloc();
}

}  // namespace

FailingAllocations::FailingAllocations(std::int64_t n, Failure failure) {
  calls = 0;
  failing = n;
  forever = failure == Failure::forever;
  armed = true;
}

FailingAllocations::~FailingAllocations() { armed = false; }

std::int64_t FailingAllocations::count() const { return calls; }

}  // namespace impasto::test

using impasto::test::allocate;
using impasto::test::allocate_or_throw;

// The forms with a size and for arrays call these.
void* operator new(std::size_t bytes) { return allocate_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return allocate_or_throw(bytes, static_cast<std::size_t>(alignment)); }
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

extern "C" {

void* __real_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset);

void* __wrap_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (!impasto::test::fails()) return __real_mmap(address, bytes, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
}
