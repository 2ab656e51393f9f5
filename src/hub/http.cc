#include "hub/http.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <mutex>
#include <new>

#include <curl/curl.h>

#include "core/fail.h"
#include "core/quote.h"
#include "hub/retry.h"

namespace impasto {
namespace {

constexpr int kMostRedirects = 10;
constexpr long kLeastBytesPerSecond = 1024;     // a server that drips keeps nobody waiting
constexpr std::size_t kMostUnwanted = 1 << 20;  // of an error's or a redirect's page

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::bad_alloc();
  });
}

class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) {
    curl_slist* longer = curl_slist_append(list_, line.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    list_ = longer;
  }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

/// Failures of curl's that trying again does not mend.
bool is_final(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_TOO_MANY_REDIRECTS: return true;
    default: return false;
  }
}

/// Where somebody's own certificates are, as curl's command and Python's clients read it.
const char* certificates() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}) {
    if (const char* path = std::getenv(name); path != nullptr && *path != '\0') return path;
  }
  return nullptr;
}

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }
bool passes(int status) { return status == 408 || status == 429 || status >= 500; }

std::string busy_message(const Url& url, const HttpHeaders& headers) {
  const std::string said = headers.value("x-error-message");
  const std::string why = headers.status() == 429 ? "too many requests (whoever is logged in may send more)" : "the server has trouble";
  return concat(url.host(), " answered ", headers.status(), ": ", said.empty() ? why : printable(said));
}

/// The proxy of the environment cannot be used as it is written. curl quotes it in full, and it may hold a password.
bool blames_proxy_variable(std::string_view message) { return message.starts_with("Unsupported proxy"); }

bool has_proxy_variable() {
  constexpr const char* kNames[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  return std::any_of(std::begin(kNames), std::end(kNames), [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  });
}

/// What curl says of a failure, for a message.
std::string told(std::string_view message, const Url& url) {
  if (blames_proxy_variable(message))
    return "the proxy that http_proxy, https_proxy or all_proxy names cannot be used; expected an address such as http://proxy.example:3128";
  constexpr std::string_view kBegin = "Failed to connect to ";
  const bool is_other = has_proxy_variable() && message.starts_with(kBegin) && !message.substr(kBegin.size()).starts_with(url.host_and_port() + " ");
  return concat(printable(message, 200), is_other ? " (this is the proxy that http_proxy, https_proxy or all_proxy names)" : "");
}

}  // namespace

/// What curl's callbacks see during one request. No exception may pass through curl: the first is kept until it has returned.
class HttpClient::Transfer {
 public:
  Transfer(const HttpRequest& request, const StopSignal& stop) : request_(request), stop_(stop) {}

  const HttpHeaders& headers() const { return headers_; }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->guarded(size, [&](Transfer& t) {
      if (!t.headers_.add_line({data, size})) fail(ErrorKind::io, t.request_.url.host(), ": the answer's headers are too long");
    });
  }

  static std::size_t on_content(char* data, std::size_t, std::size_t size, void* self) {
    return static_cast<Transfer*>(self)->guarded(size, [&](Transfer& t) { t.content({data, size}); });
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) { return static_cast<Transfer*>(self)->stop_.stopped() ? 1 : 0; }

 private:
  template <typename F>
  std::size_t guarded(std::size_t size, const F& f) {
    try {
      f(*this);
      return size;
    } catch (...) {
      failure_ = std::current_exception();
      return 0;  // curl ends with CURLE_WRITE_ERROR
    }
  }

  void content(std::string_view bytes) {
    if (headers_.status() / 100 == 2 && request_.take) {
      const std::string encoding = headers_.value("content-encoding");
      if (!encoding.empty() && encoding != "identity")
        throw TransientFailure{request_.url.host() + " sent compressed content that was not asked for"};
      return request_.take(headers_, bytes);
    }
    unwanted_ += bytes.size();
    if (unwanted_ > kMostUnwanted) fail(ErrorKind::io, request_.url.host(), " answered ", headers_.status(), " with a page without end");
  }

  const HttpRequest& request_;
  const StopSignal& stop_;
  HttpHeaders headers_;
  std::size_t unwanted_ = 0;
  std::exception_ptr failure_;
};

HttpClient::HttpClient(HttpSettings settings, const StopSignal& stop)
    : settings_(std::move(settings)), stop_(stop), curl_((start_curl(), curl_easy_init()), curl_easy_cleanup) {
  if (!curl_) throw std::bad_alloc();
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send_once(const HttpRequest& request, const Url& url) {
  Transfer transfer(request, stop_);
  CURL* curl = curl_.get();
  curl_easy_reset(curl);  // keeps connections
  const auto set = [&](CURLoption option, auto value) {
    if (const CURLcode code = curl_easy_setopt(curl, option, value); code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  };
  HeaderList headers;
  headers.add("Accept-Encoding: identity");
  if (settings_.token_is_sent() && url.origin() == settings_.endpoint.origin()) headers.add("Authorization: Bearer " + settings_.token);
  if (request.from > 0) headers.add("Range: bytes=" + std::to_string(request.from) + "-");
  char message[CURL_ERROR_SIZE] = "";

  set(CURLOPT_URL, url.text().c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // a proxy that only passes on sees none of them
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_USERAGENT, "impasto/" IMPASTO_VERSION);
  set(CURLOPT_NOBODY, request.method == "HEAD" ? 1L : 0L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (const char* path = certificates()) set(CURLOPT_CAINFO, path);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.connect_timeout));
  set(CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(settings_.stall_timeout));
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_ERRORBUFFER, message);
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_content);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);

  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  transfer.rethrow();
  stop_.throw_if_stopped();
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLE_OK) {
    const std::string why = concat(url.host(), ": ", told(*message != '\0' ? message : curl_easy_strerror(code), url));
    if (is_final(code) || blames_proxy_variable(message)) fail(ErrorKind::io, why);
    throw TransientFailure{why};
  }
  return {transfer.headers(), url};
}

HttpAnswer HttpClient::send(const HttpRequest& request) {
  Url url = request.url;
  for (int redirects = 0;; ++redirects) {
    HttpAnswer answer = send_once(request, url);
    const int status = answer.headers.status();
    if (passes(status)) throw TransientFailure{busy_message(url, answer.headers), answer.headers.retry_after()};
    if (!is_redirect(status)) return answer;
    const Url target = url.redirected(answer.headers.value("location"));
    if (!request.follow(answer.headers, target)) return answer;
    if (redirects >= kMostRedirects) fail(ErrorKind::io, request.url.text(), " leads on from address to address without end");
    url = target;
  }
}

}  // namespace impasto
