#include "core/cancellation.h"

#include "core/fail.h"

namespace impasto {
namespace {

thread_local const std::function<bool()>* current = nullptr;

}  // namespace

CancellationScope::CancellationScope(const std::function<bool()>& should_stop) : outer_(current) { current = &should_stop; }
CancellationScope::~CancellationScope() { current = outer_; }

void stop_if_asked() {
  if (current != nullptr && *current && (*current)()) fail(ErrorKind::cancelled, "cancelled by the caller");
}

}  // namespace impasto
