#include "hub/environment.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include <pwd.h>
#include <unistd.h>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr const char* kTokenVariables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string first_of(std::initializer_list<const char*> names, const std::string& fallback) {
  for (const char* name : names) {
    if (std::string value = variable(name); !value.empty()) return value;
  }
  return fallback;
}

bool is_true(const char* name) {
  std::string value = variable(name);
  std::transform(value.begin(), value.end(), value.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

std::string home() {
  if (std::string folder = variable("HOME"); !folder.empty()) return folder;
  const passwd* user = ::getpwuid(::getuid());
  return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "/";
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/// As a shell would: "~/x", "$NAME/x" and "${NAME}/x", since .env files and service units write these where no shell sees them.
std::string expanded(std::string path) {
  if (path == "~" || path.starts_with("~/")) path.replace(0, 1, home());
  std::string out;
  for (std::size_t i = 0; i < path.size();) {
    const bool braces = path.compare(i, 2, "${") == 0;
    const std::size_t begin = i + (braces ? 2 : 1);
    std::size_t end = begin;
    while (path[i] == '$' && end < path.size() && is_word(path[end])) ++end;
    const std::string name = path[i] == '$' ? path.substr(begin, end - begin) : "";
    const char* value = name.empty() || (braces && path[end] != '}') ? nullptr : std::getenv(name.c_str());
    if (value != nullptr)
      out += value;
    else
      out += path[i];
    i = value != nullptr ? end + (braces ? 1 : 0) : i + 1;
  }
  return out;
}

}  // namespace

HubEnvironment HubEnvironment::read() {
  const std::string caches = first_of({"XDG_CACHE_HOME"}, home() + "/.cache");
  const std::string hf_home = expanded(first_of({"HF_HOME"}, caches + "/huggingface"));
  HubEnvironment e;
  e.cache = expanded(first_of({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}, hf_home + "/hub"));
  e.token_file = expanded(first_of({"HF_TOKEN_PATH"}, hf_home + "/token"));
  e.endpoint = first_of({"HF_ENDPOINT"}, "https://huggingface.co");
  while (e.endpoint.ends_with('/')) e.endpoint.pop_back();
  e.offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
  return e;
}

int timeout_seconds(const char* name) {
  constexpr int kDefault = 10, kMost = 24 * 3600;
  const std::string text = variable(name);
  if (text.empty()) return kDefault;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > kMost)
    fail(ErrorKind::invalid_argument, name, ": expected a whole number of seconds from 1 to ", kMost, ", found ", in_quotes(text, 20));
  return value;
}

std::string clean_token(const std::string& text, const std::string& source) {
  constexpr std::size_t kLongest = 4096;
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  const std::string token = text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
  const bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (!printable || token.size() > kLongest)
    fail(ErrorKind::invalid_argument, source, ": what it holds is not a token: expected one word of letters, digits and signs (hf_...)");
  return token;
}

std::string variable_of_token(const std::string& token) {
  for (const char* name : kTokenVariables) {
    if (!token.empty() && clean_token(variable(name), name) == token) return name;
  }
  return {};
}

std::string stored_token(const HubEnvironment& environment) {
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return {};
  for (const char* name : kTokenVariables) {
    if (std::string token = clean_token(variable(name), name); !token.empty()) return token;
  }
  std::error_code ignored;
  if (!std::filesystem::exists(environment.token_file, ignored)) return {};
  return clean_token(read_file(environment.token_file, /*max_bytes=*/64 << 10), environment.token_file);
}

}  // namespace impasto
