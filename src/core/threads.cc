#include "core/threads.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include <sched.h>

#include "core/flush_denormals.h"
#include "core/thread_pool.h"

namespace impasto {
namespace {

std::atomic<int> chosen_threads{0};
thread_local bool inside_parallel = false;

int available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

/// Keeps the first exception of a parallel region until the region has ended.
class FirstException {
 public:
  template <typename F>
  void run(const F& f) {
    try {
      f();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!first_) first_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace

int num_threads() {
  static const int cores = available_cores();
  const int n = chosen_threads.load(std::memory_order_relaxed);
  return n > 0 ? n : cores;
}

void set_num_threads(int n) { chosen_threads.store(std::max(n, 0), std::memory_order_relaxed); }

void parallel_run(const std::function<void(int, int)>& body) {
  const int threads = inside_parallel ? 1 : num_threads();
  if (threads == 1) {
    const FlushDenormals flush;
    return body(0, 1);
  }
  FirstException exception;
  ThreadPool::instance().run(threads, [&](int t) {
    const FlushDenormals flush;
    inside_parallel = true;
    exception.run([&] { body(t, threads); });
    inside_parallel = false;
  });
  exception.rethrow();
}

void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t pieces = (n + grain - 1) / grain;
  if (pieces == 1 || inside_parallel || num_threads() == 1) {
    const FlushDenormals flush;
    return body(0, n);
  }
  std::atomic<std::int64_t> next{0};
  parallel_run([&](int, int threads) {
    // A few ranges a thread: even enough when one core is slower, few enough that handing them out costs nothing.
    const std::int64_t step = std::max<std::int64_t>(1, pieces / (threads * 4));
    for (std::int64_t p; (p = next.fetch_add(step)) < pieces;) body(p * grain, std::min(n, (p + step) * grain));
  });
}

}  // namespace impasto
