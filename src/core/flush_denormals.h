// Subnormal numbers as zero, for the length of a scope.
#pragma once

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace impasto {

/// While it lives, this thread's floating-point operations take and give zero for subnormal numbers (below 1.2e-38), which many CPUs
/// otherwise handle in microcode, a hundred times slower. core/threads.cc opens one around every body that it runs, on the calling thread
/// too, so a result does not depend on which thread computed it. Does nothing on CPUs that we do not know.
class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushResults | kFlushOperands); }
  ~FlushDenormals() { _mm_setcsr(saved_); }
#elif defined(__aarch64__)
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(saved_ | (1ul << 24)));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
  FlushDenormals() {}
  ~FlushDenormals() {}
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__SSE__)
  static constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x0040;  // MXCSR's FTZ and DAZ bits
  unsigned saved_;
#elif defined(__aarch64__)
  unsigned long saved_;
#endif
};

}  // namespace impasto
