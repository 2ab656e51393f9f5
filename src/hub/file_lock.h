// The lock that huggingface_hub holds while it fetches a blob, too.
#pragma once

#include <string>

#include "hub/descriptor.h"
#include "hub/stop.h"

namespace impasto {

/// flock() on a lock file, which is made where it is not there and never removed. It spares fetching a file twice and nothing more: some network
/// file systems grant it to everybody, so that nothing may depend on it. Where it cannot be had (a file system without locks, a folder that may
/// not be written to) the object holds nothing.
class FileLock {
 public:
  explicit FileLock(const std::string& path) : path_(path) {}

  /// Whether we hold it now, or never will.
  bool try_lock();

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace impasto
