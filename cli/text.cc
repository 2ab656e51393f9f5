#include "cli/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <sstream>
#include <utility>

namespace impasto::cli {
namespace {

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

/// A code point and its length in bytes; length 0 when the bytes are not UTF-8.
struct CodePoint {
  char32_t value;
  std::size_t length;
};

CodePoint decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {0, 0};
  char32_t value = first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool good = value >= kSmallest[length] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
  return good ? CodePoint{value, length} : CodePoint{0, 0};
}

/// Moves the cursor, breaks the line or reorders what stands beside it.
bool is_treacherous(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string escaped(char32_t c) {
  switch (c) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return c < 0x80 ? format("\\x%02x", static_cast<unsigned>(c)) : format("\\u%04x", static_cast<unsigned>(c));
  }
}

std::string scaled(double value, std::initializer_list<const char*> units) {
  auto unit = units.begin();
  while (value >= 999.5 && unit + 1 != units.end()) value /= 1000, ++unit;
  return format(value < 9.95 ? "%.2f%s" : value < 99.5 ? "%.1f%s" : "%.0f%s", value, *unit);
}

/// Levenshtein's distance, a swap of neighbours counting as one step.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::exchange(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const std::size_t length = std::max<std::size_t>(c.length, 1);
    if (c.length == 0) {
      out += format("\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (is_treacherous(c.value)) {
      out += escaped(c.value);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = decode(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string in_bytes(std::int64_t bytes) {
  return bytes < 1000 ? std::to_string(bytes) + " bytes" : scaled(static_cast<double>(bytes), {"", " kB", " MB", " GB", " TB"});
}

std::string in_thousands(std::int64_t count) {
  return count < 1000 ? std::to_string(count) : scaled(static_cast<double>(count), {"", " k", " M", " G"});
}

std::string in_seconds(double seconds) {
  if (seconds < 0.0995) return format("%.0f ms", seconds * 1000);
  if (seconds < 9.995) return format("%.2f s", seconds);
  if (seconds < 59.95) return format("%.1f s", seconds);
  return as_clock(seconds) + (seconds < 3599.5 ? " min" : " h");
}

std::string as_clock(double seconds) {
  const auto total = static_cast<long long>(std::llround(std::clamp(seconds, 0.0, 3.6e8)));
  const auto hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
  return hours > 0 ? format("%lld:%02lld:%02lld", hours, minutes, rest) : format("%lld:%02lld", minutes, rest);
}

double as_typed(float value) {
  char text[32];
  *std::to_chars(text, text + sizeof text - 1, value).ptr = '\0';
  return std::strtod(text, nullptr);
}

std::vector<std::string> wrapped(const std::string& text, std::size_t columns) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (lines.empty() || lines.back().size() + 1 + word.size() > columns) {
      lines.push_back(word);
    } else {
      lines.back() += " " + word;
    }
  }
  return lines;
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;  // further off, a guess would only puzzle
  for (const auto& candidate : candidates) {
    // Half a word is a guess as good as a typing error.
    const bool begins = word.size() >= 3 && candidate.rfind(word, 0) == 0;
    const std::size_t d = begins ? 1 : distance(word, candidate);
    if (d < best_distance) best = candidate, best_distance = d;
  }
  return best;
}

}  // namespace impasto::cli
