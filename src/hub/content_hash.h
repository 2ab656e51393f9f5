// The two ways in which the Hub names content: the SHA-256 of large files, git's SHA-1 of small ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace impasto {

class ContentHash {
 public:
  /// For content that should have this name (64 or 40 hexadecimal digits) and this many bytes (git hashes the size first).
  ContentHash(std::string expected, std::uint64_t size);
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;

  /// Forgets what was added.
  void restart();
  void add(std::string_view bytes);
  /// Whether what was added has the name. To be asked once, at the end.
  bool matches();

 private:
  struct State;
  std::string expected_;
  std::uint64_t size_;
  std::unique_ptr<State> state_;
};

/// Whether a file's content has the name that it should have. `look` (which may be empty, and may throw) is told how many bytes have been read, after
/// each megabyte. Throws as File does.
bool file_matches(const std::string& path, const std::string& expected, const std::function<void(std::uint64_t)>& look = {});

}  // namespace impasto
