#include "core/thread_pool.h"

#include <system_error>
#include <thread>

#include <unistd.h>

namespace impasto {
namespace {

constexpr int kPartBits = 16;
constexpr int kMostParts = (1 << kPartBits) - 1;
/// About 20 microseconds: a few times the gap between two regions of a network.
constexpr int kSpins = 500;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns the value once it differs from `old`.
template <typename T>
T wait_for_change(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (const T now = value.load(std::memory_order_acquire); now != old) return now;
    pause_briefly();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool& pool = *new ThreadPool;
  return pool;
}

void ThreadPool::run(int parts, const Part& part) {
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (parts == 1 || parts > kMostParts || !lock || !start_workers(parts - 1)) {
    for (int p = 0; p < parts; ++p) part(p);
    return;
  }
  part_ = &part;
  remaining_.store(parts - 1, std::memory_order_relaxed);
  const std::uint64_t region = (ticket_.load(std::memory_order_relaxed) >> kPartBits) + 1;
  ticket_.store(region << kPartBits | static_cast<std::uint64_t>(parts), std::memory_order_release);
  ticket_.notify_all();
  part(0);
  for (int left = remaining_.load(std::memory_order_acquire); left > 0;) left = wait_for_change(remaining_, left);
}

/// False when the system gives no more threads: the caller then works alone.
bool ThreadPool::start_workers(int count) {
  if (owner_ != ::getpid()) {
    owner_ = ::getpid();
    workers_ = 0;
  }
  try {
    for (; workers_ < count; ++workers_) {
      const std::uint64_t seen = ticket_.load(std::memory_order_relaxed);
      std::thread([this, index = workers_ + 1, seen] { work(index, seen); }).detach();
    }
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

void ThreadPool::work(int index, std::uint64_t seen) {
  for (;;) {
    seen = wait_for_change(ticket_, seen);
    // A region with fewer parts goes by; its caller does not wait for this worker, so part_ may change meanwhile and is not read.
    if (index >= static_cast<int>(seen & kMostParts)) continue;
    (*part_)(index);
    if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining_.notify_one();
  }
}

}  // namespace impasto
