#include "hub/url.h"

#include <algorithm>
#include <memory>
#include <new>

#include <curl/curl.h>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr std::size_t kLongest = 16 << 10;

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  const std::string copy = text;
  curl_free(text);
  return copy;
}

/// Whether there is one, if an empty one: "https://@host".
bool has(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  const bool there = curl_url_get(url, which, &text, 0) == CURLUE_OK;
  curl_free(text);
  return there;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

/// An address of a stranger's for a message: without its query, which may be a key to a storage, and without a user name and password. What follows
/// an "@" could be part of either.
std::string without_secrets(const std::string& text) {
  const auto begin = text.find("//");
  if (text.find('@') != text.npos) return (begin == text.npos ? "" : text.substr(0, begin + 2)) + "...@...";
  return text.substr(0, text.find('?'));
}

}  // namespace

bool Url::parse(const std::string& base, const std::string& text, Url& out) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  if (!url) throw std::bad_alloc();
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; });
  if (!clean || text.size() > kLongest) return false;
  if (!base.empty() && curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return false;
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return false;
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  const std::string scheme = lower(part(url.get(), CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https") return false;
  if (has(url.get(), CURLUPART_USER) || has(url.get(), CURLUPART_PASSWORD)) return false;
  out.host_ = lower(part(url.get(), CURLUPART_HOST));
  // Hosts stand in messages; names beyond ASCII have another form for this (xn--).
  if (!std::all_of(out.host_.begin(), out.host_.end(), [](char c) { return c > 0x20 && c < 0x7F; })) return false;
  out.origin_ = scheme + "://" + out.host_ + ":" + part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  out.text_ = part(url.get(), CURLUPART_URL);
  return !out.host_.empty() && !out.text_.empty();
}

Url::Url(const std::string& text, const std::string& source) {
  if (!parse("", text, *this))
    fail(ErrorKind::invalid_argument, source, ": expected a URL such as https://huggingface.co, without a user name in it");
}

Url Url::redirected(const std::string& location) const {
  Url target;
  if (location.empty() || !parse(text_, location, target))
    fail(ErrorKind::io, host_, " leads on to ", in_quotes(without_secrets(location), 80), ", which is no http or https URL that could be followed");
  if (is_https() && !target.is_https())
    fail(ErrorKind::io, host_, " leads on from https to http://", printable(target.host_), ", which is not followed");
  return target;
}

std::string Url::host_and_port() const {
  const std::string host = host_.starts_with('[') ? host_.substr(1, host_.size() - 2) : host_;
  return host + " port " + origin_.substr(origin_.rfind(':') + 1);
}

bool Url::is_loopback() const {
  const bool is_number = host_.find_first_not_of("0123456789.") == host_.npos;  // 127.example.org is none
  return host_ == "localhost" || host_ == "[::1]" || (is_number && host_.starts_with("127."));
}

std::string url_encoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    if (plain || (keep_slashes && c == '/')) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[byte >> 4];
      out += "0123456789ABCDEF"[byte & 15];
    }
  }
  return out;
}

}  // namespace impasto
