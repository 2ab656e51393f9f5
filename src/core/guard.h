// The door of the library: what leaves a public function is an Error.
#pragma once

#include "impasto/error.h"

namespace impasto {

/// For a catch block: throws what is being handled again, a failed allocation as Error{out_of_memory} and a failed call of the system as
/// Error{io}. What a caller's own hook threw stays as it is. Needs no memory itself.
[[noreturn]] void rethrow_as_error();

/// Runs the body of a public function.
template <typename F>
auto guarded(const F& f) {
  try {
    return f();
  } catch (...) {
    rethrow_as_error();
  }
}

}  // namespace impasto
