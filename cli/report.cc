#include "cli/report.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/text.h"

namespace impasto::cli {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
    case ErrorKind::not_found:
    case ErrorKind::access_denied:
    case ErrorKind::bad_file:
    case ErrorKind::unsupported: return 2;
    default: return 1;
  }
}

int report_error(const Error& error, bool json) {
  int code = exit_code(error.kind());
  const char* label = error.kind() == ErrorKind::cancelled ? "" : "error: ";
  std::fprintf(stderr, "impasto: %s%s\n", label, printable(error.what()).c_str());
  if (!json) return code;
  try {
    print_json({{"error", {{"kind", to_string(error.kind())}, {"message", error.what()}}}, {"exit_code", code}});
  } catch (const Error&) {
    code = 1;  // nobody listens
  }
  return code;
}

void warn(const std::string& message) { std::fprintf(stderr, "impasto: warning: %s\n", printable(message).c_str()); }

void print_line(const std::string& line) {
  if (std::fputs((line + "\n").c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
    throw Error(ErrorKind::io, "cannot write to standard output: " + std::generic_category().message(errno));
  }
}

void print_json(const Json& value) { print_line(value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace)); }

}  // namespace impasto::cli
