// URLs, by curl's own parser: what it would connect to and what we believe it to be cannot differ.
#pragma once

#include <string>
#include <string_view>

namespace impasto {

/// An absolute http or https URL.
class Url {
 public:
  /// Throws invalid_argument, naming `source`, for anything else and for one with a user name or password in it.
  Url(const std::string& text, const std::string& source);

  /// What a Location header leads to from here. Throws io for what is not a URL, for other schemes, for user names, and for a step from https
  /// down to http.
  Url redirected(const std::string& location) const;

  const std::string& text() const { return text_; }
  /// "https://host:443": scheme, host and port decide who may see a token.
  const std::string& origin() const { return origin_; }
  const std::string& host() const { return host_; }
  /// "host port 443", as curl's messages say it.
  std::string host_and_port() const;
  bool is_https() const { return origin_.starts_with("https:"); }
  /// Whether the host is this machine: localhost, 127.0.0.0/8, [::1].
  bool is_loopback() const;

 private:
  Url() = default;
  static bool parse(const std::string& base, const std::string& text, Url& out);

  std::string text_, origin_, host_;
};

/// Percent-encodes all but letters, digits and "-._~", and "/" where `keep_slashes`.
std::string url_encoded(std::string_view text, bool keep_slashes);

}  // namespace impasto
