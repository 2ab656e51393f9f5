// A blob while it comes in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hub/content_hash.h"
#include "hub/descriptor.h"

namespace impasto {

/// Content is written to HASH.impasto-XXXXXXXXXXXXXXXX.incomplete in the folder of blobs: a name and a file of this object's own, which nobody
/// else ever writes to, so that what was hashed is what gets the blob's name, whether locks work here or not. What a process that was killed left
/// behind is copied and then removed. The file stays when the object goes, for the next attempt, unless it is empty or became the blob.
class PartialFile {
 public:
  /// `size` is what was published. Throws io.
  PartialFile(const std::string& blob, const std::string& hash, std::uint64_t size);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  std::uint64_t written() const { return written_; }
  /// Throws io with the path and the bytes that are still to come, where the disk is full; bad_file for more than `size`.
  void append(std::string_view bytes);
  void restart();
  /// With all bytes there: syncs the file and gives it the blob's name, if its content has the hash. Returns whether it has; where not, the file is
  /// empty again. Throws io.
  bool finish();

 private:
  void adopt_leftovers();
  void adopt(int old);
  void create();
  [[noreturn]] void fail_writing(int error, const char* doing) const;

  std::string blob_, path_;
  std::uint64_t size_, written_ = 0;
  ContentHash hash_;
  Descriptor file_;
};

/// Bytes that earlier attempts at a blob have left; at most `size`.
std::uint64_t leftover_bytes(const std::string& blob, std::uint64_t size);

/// Syncs a folder, as far as its file system can.
void sync_folder(const std::string& folder);

}  // namespace impasto
