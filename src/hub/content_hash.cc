#include "hub/content_hash.h"

#include <algorithm>
#include <new>

#include <openssl/evp.h>

#include "core/fail.h"
#include "core/file.h"
#include "hub/reference.h"

namespace impasto {

struct ContentHash::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    if (context == nullptr) throw std::bad_alloc();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

ContentHash::ContentHash(std::string expected, std::uint64_t size) : expected_(std::move(expected)), size_(size), state_(std::make_unique<State>()) {
  IMPASTO_CHECK(is_sha256(expected_) || is_git_hash(expected_));
  restart();
}

ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::restart() {
  const bool git = is_git_hash(expected_);
  if (EVP_DigestInit_ex(state_->context, git ? EVP_sha1() : EVP_sha256(), nullptr) != 1)
    fail(ErrorKind::unsupported, "OpenSSL here does not compute ", git ? "SHA-1" : "SHA-256");
  if (git) add("blob " + std::to_string(size_) + std::string(1, '\0'));
}

void ContentHash::add(std::string_view bytes) { IMPASTO_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1); }

bool ContentHash::matches() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  IMPASTO_CHECK(EVP_DigestFinal_ex(state_->context, digest, &length) == 1);
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex == expected_;
}

bool file_matches(const std::string& path, const std::string& expected, const std::function<void(std::uint64_t)>& look) {
  const File file(path);
  ContentHash hash(expected, file.size());
  std::string chunk(1 << 20, '\0');
  for (std::uint64_t at = 0; at < file.size(); at += chunk.size()) {
    chunk.resize(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), file.size() - at)));
    file.read(chunk.data(), chunk.size(), at);
    hash.add(chunk);
    if (look) look(at + chunk.size());
  }
  return hash.matches();
}

}  // namespace impasto
