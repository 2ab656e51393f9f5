#include "hub/file_lock.h"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace impasto {

bool FileLock::try_lock() {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664));
  if (!file.is_open()) return true;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK && errno != EINTR;
  // Its former holder may have removed the file between our two calls: then we hold what nobody else will ever see.
  struct stat held {
  }, named{};
  if (::fstat(file.get(), &held) != 0 || ::stat(path_.c_str(), &named) != 0 || held.st_ino != named.st_ino) return false;
  file_ = std::move(file);
  return true;
}

}  // namespace impasto
