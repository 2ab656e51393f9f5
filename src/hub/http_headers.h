// What a server says before the content, read with the distrust that it deserves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace impasto {

/// The headers of one answer. Names are kept in lower case; the first of a name counts, so that none can be replaced further down.
class HttpHeaders {
 public:
  /// One line as it came, its end included. A status line begins a new answer (curl hands on those of "100 Continue" and of proxies, too).
  /// Returns false when all lines together, or their number, have grown beyond what any server needs.
  bool add_line(std::string_view line);

  /// Of the last status line; 0 before one.
  int status() const { return status_; }
  bool has(const std::string& name) const { return values_.contains(name); }
  /// "" where there is no such header.
  std::string value(const std::string& name) const;

  /// A number of bytes: decimal digits only, at most 2^63 - 1.
  std::optional<std::uint64_t> size(const std::string& name) const;
  /// X-Linked-ETag, else ETag, without W/ and quotes.
  std::string etag() const;
  /// Retry-After as seconds; nothing for dates.
  std::optional<int> retry_after() const;

 private:
  int status_ = 0;
  std::size_t bytes_ = 0;
  std::map<std::string, std::string> values_;
};

/// "bytes 5-9/10"
struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;  ///< nothing for "*"
};
/// Nothing for what is not one: another unit, last before first, last not below the total.
std::optional<ContentRange> parse_content_range(std::string_view text);

}  // namespace impasto
