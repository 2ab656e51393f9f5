// Allocations that fail on purpose, in the whole process. Only for a program of its own that is linked with -Wl,--wrap=mmap.
#pragma once

#include <cstdint>

namespace impasto::test {

enum class Failure {
  once,     ///< the nth allocation fails: nothing may depend on the next one failing too
  forever,  ///< all from the nth on fail: what reports the failure must not need memory itself
};

/// While one lives, operator new and mmap fail from the nth call on, counted from 1 over all threads. n = 0 only counts.
class FailingAllocations {
 public:
  explicit FailingAllocations(std::int64_t n, Failure failure = Failure::once);
  ~FailingAllocations();
  FailingAllocations(const FailingAllocations&) = delete;
  FailingAllocations& operator=(const FailingAllocations&) = delete;

  /// Allocations so far, with those that failed.
  std::int64_t count() const;
};

}  // namespace impasto::test
