// Building an error's message from parts: fail(ErrorKind::bad_file, path, ": header says ", n, " bytes").
#pragma once

#include <sstream>
#include <string>

#include "impasto/error.h"

namespace impasto {

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream s;
  s.exceptions(std::ios::badbit);  // or a failed allocation would only cut the text
  (s << ... << parts);
  return s.str();
}

template <typename... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, concat(parts...));
}

/// For what callers inside the library must have ensured: stays on in release builds, costs a branch, never in a kernel's inner loop.
#define IMPASTO_CHECK(condition)                                                                                                    \
  do {                                                                                                                              \
    if (!(condition)) ::impasto::fail(::impasto::ErrorKind::internal, "check failed: " #condition " at ", __FILE__, ":", __LINE__); \
  } while (false)

}  // namespace impasto
