// Text and quantities for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impasto::cli {

/// `text` as it may go to a terminal or a log: control characters, bytes that are not UTF-8, and what reorders or breaks lines are shown
/// as escapes (\n, \x1b, \u202e), so that no prompt and no file name can forge a line or move the cursor.
std::string printable(std::string_view text);

bool is_utf8(std::string_view text);

/// "1.7 GB", "320 kB", "12 bytes"; powers of ten.
std::string in_bytes(std::int64_t bytes);
/// "859.5 M", "320 k", "12".
std::string in_thousands(std::int64_t count);
/// "34 ms", "1.23 s", "12.3 s", "2:05 min", "1:02:05 h".
std::string in_seconds(double seconds);
/// "0:07", "2:05", "1:02:05".
std::string as_clock(double seconds);

/// The double whose shortest decimal digits are those of `value`: 7.3, not 7.300000190734863.
double as_typed(float value);

/// Lines of at most `columns` characters, broken at spaces; a longer word gets its own line.
std::vector<std::string> wrapped(const std::string& text, std::size_t columns);

/// The candidate that `word` was probably meant to be, or "".
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace impasto::cli
