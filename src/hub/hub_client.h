// The Hub's calls, and what its refusals mean.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "hub/environment.h"
#include "hub/http.h"
#include "hub/listing.h"
#include "hub/reference.h"
#include "hub/retry.h"

namespace impasto {

/// What is published of one file.
struct FileHead {
  std::string commit, hash;
  std::uint64_t size = 0;
};

/// One per thread. Every call throws access_denied (log in, accept the terms), not_found (model, revision or file), bad_file (the answer is not a
/// Hub's), io and cancelled; the messages say what to do and never hold the token.
class HubClient {
 public:
  /// `token` is "" for none. Throws invalid_argument for an endpoint that is no URL and timeouts that are none.
  HubClient(const HubEnvironment& environment, const std::string& token, const StopSignal& stop, const RetryPolicy& policy);

  /// Host of the endpoint, for messages.
  const std::string& host() const { return http_.settings().endpoint.host(); }

  Listing list(const HubReference& reference);
  FileHead head(const HubReference& reference, const std::string& path);
  /// The file's content from byte `from` on, given to `take` as it comes; one attempt. Also throws TransientFailure and what `take` throws.
  HttpAnswer fetch(const HubReference& reference, const std::string& path, std::uint64_t from,
                   const std::function<void(const HttpHeaders&, std::string_view)>& take);
  /// The account that the token belongs to. Throws access_denied without asking where the token is not sent.
  std::string account();

 private:
  HttpAnswer send(const HttpRequest& request);
  /// Of a page of the endpoint; `path` begins with "/".
  std::string address(const std::string& path) const;
  Url api(const std::string& path) const;
  Url file_url(const HubReference& reference, const std::string& path) const;
  [[noreturn]] void refuse(const HttpAnswer& answer, const HubReference& reference, const std::string& path) const;
  [[noreturn]] void refuse_access(const HttpAnswer& answer, const HubReference& reference) const;

  HttpClient http_;
  const StopSignal& stop_;
  RetryPolicy policy_;
};

}  // namespace impasto
