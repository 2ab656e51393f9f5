// Text from a stranger's file as it may stand in a message.
#pragma once

#include <string>
#include <string_view>

namespace impasto {

/// Short, printable ASCII, other bytes as "?": text from a file can neither break a log line nor steer a terminal.
inline std::string printable(std::string_view text, std::size_t longest = 120) {
  std::string s;
  for (const char c : text.substr(0, longest)) s += c >= 0x20 && c <= 0x7E ? c : '?';
  return text.size() > longest ? s + "..." : s;
}

/// The same between double quotes.
inline std::string in_quotes(std::string_view text, std::size_t longest = 120) { return '"' + printable(text, longest) + '"'; }

}  // namespace impasto
