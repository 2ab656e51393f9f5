// A caller's wish to stop, looked at between the operations of a network without handing it through every layer.
#pragma once

#include <functional>

namespace impasto {

/// While one lives, stop_if_asked() on this thread asks `should_stop` (which may be empty, and must outlive it). Scopes nest; the innermost
/// counts.
class CancellationScope {
 public:
  explicit CancellationScope(const std::function<bool()>& should_stop);
  ~CancellationScope();
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

 private:
  const std::function<bool()>* outer_;
};

/// Throws cancelled when the scope's caller wants to stop. Only the thread that opened the scope is ever asked: workers of the pool are not.
void stop_if_asked();

}  // namespace impasto
