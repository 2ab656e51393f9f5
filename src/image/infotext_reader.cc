// A1111's text taken apart.
#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "core/fail.h"
#include "core/guard.h"
#include "core/json.h"
#include "image/infotext_fields.h"

namespace impasto {
namespace {

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_key(char c) { return is_word(c) || c == ' ' || c == '-' || c == '/'; }

/// Behind a quoted string that begins at `at`, if there is one: "(\\.|[^\\"])+".
std::optional<std::size_t> end_of_quoted(const std::string& line, std::size_t at) {
  if (at >= line.size() || line[at] != '"') return std::nullopt;
  for (std::size_t i = at + 1; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      return i > at + 1 ? std::optional(i + 1) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_string() ? value.get<std::string>() : text;
}

/// The field at `at`, which moves behind it; A1111's expression is \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$).
std::optional<InfotextField> read_field(const std::string& line, std::size_t& at) {
  std::size_t begin = at;
  while (begin < line.size() && is_space(line[begin])) ++begin;
  std::size_t colon = begin;
  while (colon < line.size() && is_key(line[colon])) ++colon;
  if (colon < begin + 2 || colon == line.size() || line[colon] != ':' || !is_word(line[begin])) return std::nullopt;
  std::size_t value = colon + 1;
  while (value < line.size() && is_space(line[value])) ++value;
  std::size_t end = end_of_quoted(line, value).value_or(line.size() + 1);
  if (end > line.size() || (end < line.size() && line[end] != ',')) end = std::min(line.find(',', value), line.size());
  at = std::min(end + 1, line.size());
  return InfotextField{line.substr(begin, colon - begin), unquoted(line.substr(value, end - value))};
}

std::string trimmed(const std::string& text) {
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_space).base();
  return {begin, end};
}

Infotext parse(const std::string& text) {
  constexpr std::size_t kFewestFields = 3;  // else the last line belongs to the prompt
  constexpr std::string_view kNegative = "Negative prompt:";
  std::vector<std::string> lines;
  std::istringstream stream(trimmed(text));
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  Infotext out;
  if (!lines.empty()) out.fields = read_fields(lines.back());
  if (out.fields.size() < kFewestFields) {
    out.fields.clear();
  } else {
    lines.pop_back();
  }
  std::string* to = &out.prompt;
  for (const std::string& line : lines) {
    const std::string words = trimmed(line);
    const bool negative = words.rfind(kNegative, 0) == 0;
    if (negative) to = &out.negative_prompt;
    *to += (to->empty() ? "" : "\n") + (negative ? trimmed(words.substr(kNegative.size())) : words);
  }
  return out;
}

}  // namespace

std::vector<InfotextField> read_fields(const std::string& line) {
  std::vector<InfotextField> fields;
  for (std::size_t at = 0; at < line.size();) {
    if (auto field = read_field(line, at)) {
      fields.push_back(std::move(*field));
    } else {
      ++at;
    }
  }
  return fields;
}

std::string Infotext::value(const std::string& key) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const InfotextField& f) { return f.first == key; });
  return found == fields.end() ? "" : found->second;
}

Infotext parse_infotext(const std::string& text) {
  return guarded([&] { return parse(text); });
}

}  // namespace impasto
