// Worker threads that wait for the next parallel region.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include <sys/types.h>

namespace impasto {

/// Regions are short (down to a few microseconds) and follow each other closely, so a worker spins briefly before it sleeps: long enough
/// to catch the next region of a network, short enough not to take a core from others (libgomp's pool spins for milliseconds, which makes
/// small models a hundred times slower on a busy machine). One region runs at a time; a second caller does all of its parts itself.
class ThreadPool {
 public:
  using Part = std::function<void(int part)>;

  /// The process's pool. Never destroyed: workers sleep until the process ends.
  static ThreadPool& instance();

  /// Calls part(0) .. part(parts - 1), each once, part(0) on the calling thread, and returns when all are done. `part` must not throw.
  void run(int parts, const Part& part);

 private:
  ThreadPool() = default;
  bool start_workers(int count);
  void work(int index, std::uint64_t seen);

  std::mutex busy_;                       // held while a region runs
  int workers_ = 0;                       // guarded by busy_
  pid_t owner_ = 0;                       // guarded by busy_: a forked child has no workers
  const Part* part_ = nullptr;            // written before ticket_ names the region, read by its workers only
  std::atomic<std::uint64_t> ticket_{0};  // number of regions so far << 16 | parts of the newest
  std::atomic<int> remaining_{0};         // workers that have not finished the newest region
};

}  // namespace impasto
