// One wish to stop for all threads of a download.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "core/fail.h"

namespace impasto {

class StopSignal {
 public:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }

  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  void throw_if_stopped() const {
    if (stopped()) fail(ErrorKind::cancelled, "stopped");
  }

  /// Waits, and throws cancelled as soon as somebody stops.
  void sleep(std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, time, [&] { return stopped_; })) fail(ErrorKind::cancelled, "stopped");
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool stopped_ = false;
};

}  // namespace impasto
