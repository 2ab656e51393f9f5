// What the command says: errors, warnings and JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "impasto/error.h"

namespace impasto::cli {

using Json = nlohmann::ordered_json;  // fields in the order they are written

/// 2 when the user can mend it in the arguments or the files, else 1.
int exit_code(ErrorKind kind);

/// "impasto: error: ..." on standard error; with `json`, also {"error": {"kind", "message"}, "exit_code"} on standard output.
/// Returns the exit code.
int report_error(const Error& error, bool json);

void warn(const std::string& message);

/// A line on standard output, at once. Throws io when it cannot be written.
void print_line(const std::string& line);

/// One line of ASCII, so that no text inside can break it.
void print_json(const Json& value);

}  // namespace impasto::cli
