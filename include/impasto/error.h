// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>

#include "impasto/api.h"

namespace impasto {

/// What went wrong, coarse enough for a front end to choose an exit code, an HTTP status or a Python exception type.
enum class ErrorKind {
  invalid_argument,  ///< the caller's options are off: message names the option, its value and what is allowed
  not_found,         ///< a file, folder or component does not exist
  bad_file,          ///< a file exists but is truncated, malformed or contradicts its config
  unsupported,       ///< well-formed, but this build does not do it (unknown class, scheduler, device)
  out_of_memory,     ///< the run would not fit, or an allocation failed
  access_denied,     ///< a server wants a login, or its owner's consent
  io,                ///< reading or writing failed (disk full, permission)
  non_finite,        ///< weights or latents hold NaN or infinity
  cancelled,         ///< a hook asked to stop
  internal,          ///< a bug of ours
};

/// "invalid_argument", "not_found", ... for logs and JSON.
IMPASTO_API const char* to_string(ErrorKind kind);

/// Thrown by every function of the library that can fail; nothing else leaves it, and it never prints or exits.
/// The message says what was wrong, where, and what to do about it; it is UTF-8, one paragraph, without a final newline.
class IMPASTO_API Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace impasto
