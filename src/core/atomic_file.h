// Files that are either whole or not there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace impasto {

/// Writes a file without a name in the folder, syncs it, names it, renames it to `path` and syncs the folder. A crash at any moment leaves the
/// old file or the new one under that name, and nothing else unless it comes between naming and renaming, or the file system has no nameless
/// files (then at worst a file .impasto-*.tmp beside it, which the next who writes that file removes). A symbolic link is followed and stays; the
/// mode of a file that was there is kept, unless `mode` gives one, which then holds before the first byte is written. A device or a pipe is written
/// to directly, since renaming would replace it. Throws io naming the path, the bytes and the reason; nothing is left behind then.
void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes, std::optional<unsigned> mode = {});

/// Takes the next bytes of a file that is being written.
using WriteBytes = std::function<void(std::span<const std::uint8_t>)>;
/// The same for a file of `bytes` bytes that `produce` writes piece by piece; what it throws leaves nothing behind. Throws io before it begins when
/// the disk has less room than that.
void write_file_atomically(const std::string& path, std::uint64_t bytes, const std::function<void(const WriteBytes&)>& produce,
                           std::optional<unsigned> mode = {});

/// A folder that is there whole or not at all: files go into path(), which is beside the one to be and becomes it by commit(). Without that it
/// is removed with the object; what a killed process left of it, by the next object for the same path.
class AtomicFolder {
 public:
  /// `bytes`: what will be written into it. Throws io, also when the disk has less room than that, and invalid_argument when there is something at
  /// `path` already that is no empty folder.
  explicit AtomicFolder(const std::string& path, std::uint64_t bytes = 0);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& path() const { return temporary_; }
  /// Throws io.
  void commit();

 private:
  std::string path_, temporary_;
  int lock_ = -1;  // on the temporary folder, so that nobody takes it for abandoned
};

}  // namespace impasto
