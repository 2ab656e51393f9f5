// What the syntaxes have in common: characters, numbers, and how deep brackets may nest.
#pragma once

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "core/fail.h"
#include "tokenizers/unicode.h"

namespace impasto {

/// Far more than anybody types; keeps the work in proportion to the text's length.
inline constexpr std::size_t kMostNested = 100;

inline void require_shallow(std::size_t depth) {
  if (depth > kMostNested)
    fail(ErrorKind::invalid_argument, "the prompt's brackets nest more than ", kMostNested, " deep; put a backslash before brackets that are text");
}

inline std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(c, out);
  return out;
}

inline bool is_space(char32_t c) { return classify(c) == CharClass::space; }
inline bool is_word(char32_t c) { return c == U'_' || classify(c) == CharClass::letter || classify(c) == CharClass::number; }

inline std::u32string_view trimmed(std::u32string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// A finite decimal number that is all of the text but white space at its ends.
inline std::optional<double> parse_number(std::u32string_view text) {
  std::string ascii;
  for (const char32_t c : trimmed(text)) ascii += c < 0x80 ? static_cast<char>(c) : '?';
  const char *begin = ascii.data(), *end = begin + ascii.size();
  if (ascii.size() > 1 && *begin == '+' && begin[1] != '-') ++begin;
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stop == end && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

}  // namespace impasto
