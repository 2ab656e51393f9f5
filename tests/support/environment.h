// Environment variables for one test.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <stdlib.h>

namespace impasto::test {

/// Sets variables (nullptr takes one away) and puts them back as they were.
class Variables {
 public:
  Variables() = default;
  Variables(std::initializer_list<std::pair<const char*, const char*>> values) {
    for (const auto& [name, value] : values) set(name, value);
  }
  ~Variables() {
    for (const auto& [name, value] : before_) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

  void set(const char* name, const char* value) {
    const char* now = ::getenv(name);
    before_.try_emplace(name, now != nullptr ? std::optional<std::string>(now) : std::nullopt);
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

/// Every variable that the Hub's room reads, taken away.
class NoHubVariables : public Variables {
 public:
  NoHubVariables() {
    for (const char* name : {"HF_HOME",
                             "HF_HUB_CACHE",
                             "HUGGINGFACE_HUB_CACHE",
                             "XDG_CACHE_HOME",
                             "HF_TOKEN",
                             "HUGGING_FACE_HUB_TOKEN",
                             "HF_TOKEN_PATH",
                             "HF_ENDPOINT",
                             "HF_HUB_OFFLINE",
                             "TRANSFORMERS_OFFLINE",
                             "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                             "HF_HUB_ETAG_TIMEOUT",
                             "HF_HUB_DOWNLOAD_TIMEOUT",
                             "http_proxy",
                             "https_proxy",
                             "HTTPS_PROXY",
                             "all_proxy",
                             "ALL_PROXY",
                             "no_proxy",
                             "NO_PROXY",
                             "SSL_CERT_FILE",
                             "CURL_CA_BUNDLE",
                             "REQUESTS_CA_BUNDLE"})
      set(name, nullptr);
  }
};

}  // namespace impasto::test
