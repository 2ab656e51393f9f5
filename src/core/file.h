// Opening and reading files that somebody else made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <sys/stat.h>

namespace impasto {

/// A regular file open for reading; closed with the object. Pipes and devices are refused, without waiting on them.
class File {
 public:
  /// Throws not_found, io (no permission), or bad_file when the path is not a regular file.
  explicit File(const std::string& path);

  int descriptor() const { return descriptor_.value; }
  const std::string& path() const { return path_; }
  /// Size when it was opened, bytes.
  std::uint64_t size() const { return static_cast<std::uint64_t>(opened_.st_size); }
  /// Whether the size or the time of the last change differs from when it was opened.
  bool changed() const;
  /// Reads exactly `count` bytes from `offset`. Throws io, or bad_file when the file ends before.
  void read(void* out, std::size_t count, std::uint64_t offset) const;

 private:
  struct Descriptor {
    int value;
    explicit Descriptor(int value_) : value(value_) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
  };

  std::string path_;
  Descriptor descriptor_;
  struct stat opened_ {};
};

/// Whether there is something of that name; a dangling link counts, so that opening it says what is wrong. Throws io where the system cannot tell:
/// what may be missing is not left out because of a fault or of a folder that one may not look into.
bool has_entry(const std::string& path);

/// Whole content of a file of at most `max_bytes`. Throws not_found, io or bad_file.
std::string read_file(const std::string& path, std::size_t max_bytes);

}  // namespace impasto
