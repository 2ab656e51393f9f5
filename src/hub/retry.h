// Trying again after failures that pass: a bounded number of times, each wait longer than the last.
#pragma once

#include <chrono>
#include <optional>
#include <random>
#include <string>

#include "hub/stop.h"

namespace impasto {

/// A failure that may pass: a broken connection, a server that is busy.
struct TransientFailure {
  std::string message;                  ///< "huggingface.co: the connection broke"
  std::optional<int> retry_after = {};  ///< seconds, as the server said
};

struct RetryPolicy {
  int attempts = 6;  ///< in a row without progress
  std::chrono::milliseconds first_wait{500}, longest_wait{20'000};
  int longest_retry_after = 120;  ///< seconds; a server that wants more is believed, and the user told
};

class Retries {
 public:
  Retries(const RetryPolicy& policy, const StopSignal& stop) : policy_(policy), stop_(stop), wait_(policy.first_wait) {}

  /// Waits before the next attempt. Throws io with the failure's message when there have been enough, cancelled when stopped.
  void wait_after(const TransientFailure& failure) {
    if (++failed_ >= policy_.attempts) fail(ErrorKind::io, failure.message, " (tried ", failed_, " times); try again later");
    if (failure.retry_after.value_or(0) > policy_.longest_retry_after)
      fail(ErrorKind::io, failure.message, "; it asks to try again in ", *failure.retry_after, " seconds");
    const std::chrono::milliseconds asked(1000 * failure.retry_after.value_or(0));
    stop_.sleep(std::max(asked, with_jitter(wait_)));
    wait_ = std::min(2 * wait_, policy_.longest_wait);
  }

  /// Content came: the count begins again.
  void progressed() {
    failed_ = 0;
    wait_ = policy_.first_wait;
  }

 private:
  /// Between half of it and all of it, or clients that failed together would come back together.
  std::chrono::milliseconds with_jitter(std::chrono::milliseconds wait) {
    return std::chrono::milliseconds(std::uniform_int_distribution<long long>(wait.count() / 2, wait.count())(random_));
  }

  const RetryPolicy& policy_;
  const StopSignal& stop_;
  std::chrono::milliseconds wait_;
  int failed_ = 0;
  std::minstd_rand random_{std::random_device()()};
};

}  // namespace impasto
