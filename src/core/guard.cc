#include "core/guard.h"

#include <filesystem>
#include <new>
#include <system_error>

#include "core/fail.h"

namespace impasto {
namespace {

/// Made while there is memory; copies share its message.
const Error kOutOfMemory(ErrorKind::out_of_memory, "an allocation failed: there is not enough memory; draw smaller or fewer images, or free memory");

[[noreturn]] void rethrow() {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::filesystem::filesystem_error& e) {
    fail(ErrorKind::io, e.path1().string(), ": ", e.code().message());
  } catch (const std::system_error& e) {
    fail(ErrorKind::io, e.what());
  }
}

}  // namespace

void rethrow_as_error() {
  try {
    rethrow();
  } catch (const std::bad_alloc&) {
    throw Error(kOutOfMemory);
  }
}

}  // namespace impasto
