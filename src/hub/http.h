// HTTP as the Hub needs it: one request after another over kept connections, redirects followed by us, the token shown to one origin only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hub/http_headers.h"
#include "hub/stop.h"
#include "hub/url.h"

namespace impasto {

struct HttpSettings {
  Url endpoint;                                  ///< its origin alone sees the token
  std::string token;                             ///< "" for none
  int connect_timeout = 10, stall_timeout = 10;  ///< seconds until connected; seconds with less than 1 KiB each

  /// Whether the token would be sent at all: not over http, where everybody on the way reads it, unless to this machine.
  bool token_is_sent() const { return !token.empty() && (endpoint.is_https() || endpoint.is_loopback()); }
};

struct HttpRequest {
  std::string method = "GET";  ///< or "HEAD"
  Url url;
  std::uint64_t from = 0;  ///< asks for the content from this byte on
  /// Whether to follow the redirect that this answer is; where not, it is the result.
  std::function<bool(const HttpHeaders&, const Url& target)> follow = [](const HttpHeaders&, const Url&) { return true; };
  /// Takes the content of an answer of status 2xx. May throw; the request ends then.
  std::function<void(const HttpHeaders&, std::string_view)> take = {};
};

struct HttpAnswer {
  HttpHeaders headers;
  Url url;  ///< that answered, after redirects
};

/// One at a time per object; each thread has its own.
class HttpClient {
 public:
  /// `stop` must outlive the client. Throws out_of_memory.
  HttpClient(HttpSettings settings, const StopSignal& stop);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  const HttpSettings& settings() const { return settings_; }

  /// An answer of any status but those that pass. Throws TransientFailure for connections that fail, stall or break and for the statuses 408, 429
  /// and 5xx; Error{io} for what trying again would not mend (certificates, endless redirects, answers that are not HTTP), cancelled, and what
  /// `take` throws.
  HttpAnswer send(const HttpRequest& request);

 private:
  class Transfer;
  HttpAnswer send_once(const HttpRequest& request, const Url& url);

  HttpSettings settings_;
  const StopSignal& stop_;
  std::unique_ptr<void, void (*)(void*)> curl_;
};

}  // namespace impasto
