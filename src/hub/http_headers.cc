#include "hub/http_headers.h"

#include <algorithm>
#include <charconv>

namespace impasto {
namespace {

constexpr std::size_t kMostBytes = 256 << 10, kMostHeaders = 1000;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> byte_count(std::string_view text) {
  const auto value = number<std::int64_t>(text);  // signed: offsets of files are
  return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

}  // namespace

bool HttpHeaders::add_line(std::string_view line) {
  bytes_ += line.size();
  if (bytes_ > kMostBytes || values_.size() >= kMostHeaders) return false;
  if (line.starts_with("HTTP/")) {
    values_.clear();
    const auto space = line.find(' ');
    status_ = space == line.npos ? 0 : number<int>(line.substr(space + 1, 3)).value_or(0);
    return true;
  }
  const auto colon = line.find(':');
  if (colon != line.npos) values_.try_emplace(lower(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
  return true;
}

std::string HttpHeaders::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found != values_.end() ? found->second : std::string();
}

std::optional<std::uint64_t> HttpHeaders::size(const std::string& name) const { return byte_count(value(name)); }

std::string HttpHeaders::etag() const {
  const std::string stored = has("x-linked-etag") ? value("x-linked-etag") : value("etag");
  std::string_view tag = stored;
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return std::string(tag);
}

std::optional<int> HttpHeaders::retry_after() const { return number<int>(value("retry-after")); }

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (lower(text.substr(0, 6)) != "bytes ") return std::nullopt;
  text = trimmed(text.substr(6));
  const auto dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) return std::nullopt;
  const auto first = byte_count(text.substr(0, dash)), last = byte_count(text.substr(dash + 1, slash - dash - 1));
  const std::string_view rest = text.substr(slash + 1);
  const auto total = byte_count(rest);
  if (!first || !last || *last < *first || (!total && rest != "*") || (total && *last >= *total)) return std::nullopt;
  return ContentRange{*first, *last, total};
}

}  // namespace impasto
