#include "hub/hub_client.h"

#include <algorithm>

#include "core/fail.h"
#include "core/json.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr std::size_t kLongestAnswer = 32u << 20;
constexpr int kAttempts = 3;  // of small questions: who waits for the first answer wants to know soon that there is no network

HttpSettings settings_for(const HubEnvironment& e, const std::string& token) {
  return {Url(e.endpoint, "HF_ENDPOINT"), token, timeout_seconds("HF_HUB_ETAG_TIMEOUT"), timeout_seconds("HF_HUB_DOWNLOAD_TIMEOUT")};
}

/// Appends to `text`, within reason.
auto into(std::string& text, const std::string& host) {
  return [&text, host](const HttpHeaders&, std::string_view bytes) {
    if (text.size() + bytes.size() > kLongestAnswer) fail(ErrorKind::bad_file, host, ": the answer is longer than ", kLongestAnswer, " bytes");
    text += bytes;
  };
}

}  // namespace

HubClient::HubClient(const HubEnvironment& environment, const std::string& token, const StopSignal& stop, const RetryPolicy& policy)
    : http_(settings_for(environment, token), stop), stop_(stop), policy_(policy) {
  policy_.attempts = std::min(policy_.attempts, kAttempts);
}

std::string HubClient::address(const std::string& path) const {
  std::string base = http_.settings().endpoint.text();  // "https://huggingface.co/", but "http://localhost/hub"
  while (base.ends_with('/')) base.pop_back();
  return base + path;
}

Url HubClient::api(const std::string& path) const { return {address(path), "HF_ENDPOINT"}; }

Url HubClient::file_url(const HubReference& reference, const std::string& path) const {
  return api("/" + reference.repository + "/resolve/" + url_encoded(reference.revision, /*keep_slashes=*/false) + "/" +
             url_encoded(path, /*keep_slashes=*/true));
}

HttpAnswer HubClient::send(const HttpRequest& request) {
  for (Retries retries(policy_, stop_);;) {
    try {
      return http_.send(request);
    } catch (const TransientFailure& failure) {
      retries.wait_after(failure);
    }
  }
}

Listing HubClient::list(const HubReference& reference) {
  for (Retries retries(policy_, stop_);;) {
    std::string text;
    HttpRequest request{.url = api("/api/models/" + reference.repository + "/revision/" + url_encoded(reference.revision, false) + "?blobs=true")};
    request.take = into(text, host());
    try {
      const HttpAnswer answer = http_.send(request);
      if (answer.headers.status() != 200) refuse(answer, reference, "");
      return parse_listing(text, host() + ": the list of " + reference.text());
    } catch (const TransientFailure& failure) {
      retries.wait_after(failure);
    }
  }
}

FileHead HubClient::head(const HubReference& reference, const std::string& path) {
  HttpRequest request{.method = "HEAD", .url = file_url(reference, path)};
  // The answer that leads to a storage elsewhere is the Hub's own and says all; one that leads to another address of the Hub may not.
  std::string commit, hash;
  std::optional<std::uint64_t> size;
  const auto note = [&](const HttpHeaders& headers, bool leads_on) {
    if (const std::string value = headers.value("x-repo-commit"); commit.empty() && is_git_hash(value)) commit = value;
    if (const std::string tag = headers.etag(); hash.empty() && (is_git_hash(tag) || is_sha256(tag))) hash = tag;
    if (!size) size = headers.has("x-linked-size") || leads_on ? headers.size("x-linked-size") : headers.size("content-length");
  };
  request.follow = [&](const HttpHeaders& headers, const Url& target) {
    note(headers, /*leads_on=*/true);
    return target.origin() == http_.settings().endpoint.origin() || commit.empty() || hash.empty() || !size;
  };
  const HttpAnswer answer = send(request);
  if (answer.headers.status() / 100 > 3) refuse(answer, reference, path);
  if (answer.headers.status() / 100 == 2) note(answer.headers, /*leads_on=*/false);
  if (commit.empty() || hash.empty() || !size)
    fail(ErrorKind::bad_file, host(), ": the answer for ", path, " has no ",
         commit.empty() ? "commit (X-Repo-Commit)"
         : hash.empty() ? "hash (ETag)"
                        : "size",
         "; is HF_ENDPOINT a Hub, and does no proxy take its place?");
  return {commit, hash, *size};
}

HttpAnswer HubClient::fetch(const HubReference& reference, const std::string& path, std::uint64_t from,
                            const std::function<void(const HttpHeaders&, std::string_view)>& take) {
  HttpRequest request{.url = file_url(reference, path), .from = from};
  request.take = take;
  HttpAnswer answer = http_.send(request);
  const int status = answer.headers.status();
  if (status == 200 || status == 206 || status == 416) return answer;
  // A storage's refusal is of the signed address, which the next attempt gets anew.
  if (answer.url.origin() != http_.settings().endpoint.origin()) throw TransientFailure{concat(answer.url.host(), " answered ", status)};
  refuse(answer, reference, path);
}

std::string HubClient::account() {
  std::string text;
  if (!http_.settings().token_is_sent())
    fail(ErrorKind::access_denied, host(), " cannot be asked whose token it is: a token is not sent over http; set HF_ENDPOINT to an https address");
  HttpRequest request{.url = api("/api/whoami-v2")};
  request.take = into(text, host());
  const HttpAnswer answer = send(request);
  const std::string where = host() + ": the account of the token";
  if (answer.headers.status() == 401 || answer.headers.status() == 403)
    fail(ErrorKind::access_denied, host(), " does not know this token; make one at ", address("/settings/tokens"));
  if (answer.headers.status() != 200) fail(ErrorKind::bad_file, where, ": the answer has status ", answer.headers.status());
  return JsonObject(parse_json(text, where), where).text("name", "");
}

void HubClient::refuse(const HttpAnswer& answer, const HubReference& reference, const std::string& path) const {
  const int status = answer.headers.status();
  const std::string code = answer.headers.value("x-error-code");
  if (code == "RevisionNotFound") fail(ErrorKind::not_found, reference.repository, " on ", host(), " has no revision ", reference.revision);
  if (code == "EntryNotFound") fail(ErrorKind::not_found, reference.repository, " on ", host(), " has no file ", path, " at ", reference.revision);
  if (status == 401 || status == 403) refuse_access(answer, reference);
  if (status == 404 && path.empty())
    fail(ErrorKind::not_found, "there is no model ", reference.repository, " on ", host(),
         http_.settings().token_is_sent() ? ", or your account may not see it" : "");
  if (status == 404) fail(ErrorKind::not_found, reference.repository, " on ", host(), " has no file ", path, " at ", reference.revision);
  const std::string said = answer.headers.value("x-error-message");
  fail(ErrorKind::bad_file, answer.url.host(), " answered ", status, said.empty() ? "" : ": ", printable(said), " when asked for ", reference.text(),
       "; is HF_ENDPOINT a Hub?");
}

void HubClient::refuse_access(const HttpAnswer& answer, const HubReference& reference) const {
  const HttpSettings& settings = http_.settings();
  const std::string page = address("/" + reference.repository), tokens = address("/settings/tokens");
  const std::string log_in = "log in with: impasto login (a token for reading, from " + tokens + ")";
  const std::string variable = variable_of_token(settings.token);
  const std::string mend = variable.empty() ? log_in : "it comes from the variable " + variable + ": set another (from " + tokens + "), or unset it";
  const std::string code = answer.headers.value("x-error-code"), said = answer.headers.value("x-error-message");
  if (!settings.token.empty() && !settings.token_is_sent())
    fail(ErrorKind::access_denied, reference.repository, ": ", host(),
         " asks for a token, which is not sent over http; set HF_ENDPOINT to an https address");
  if (code == "GatedRepo" && settings.token.empty())
    fail(ErrorKind::access_denied, reference.repository, " is gated: accept its terms at ", page, ", then ", log_in);
  if (code == "GatedRepo")
    fail(ErrorKind::access_denied, reference.repository, " is gated, and the account of your token has no access yet: accept its terms at ", page,
         " (and wait, where its owners decide); a fine-grained token must be allowed to read gated repositories");
  if (answer.headers.status() == 401 && settings.token.empty())
    fail(ErrorKind::access_denied, "there is no model ", reference.repository, " on ", host(), ", or it is private; check the name at ", page,
         ", or ", log_in);
  if (answer.headers.status() == 401) fail(ErrorKind::access_denied, host(), " does not accept your token for ", reference.repository, "; ", mend);
  fail(ErrorKind::access_denied, host(), " refuses access to ", reference.repository, said.empty() ? "" : ": ", printable(said), "; see ", page);
}

}  // namespace impasto
