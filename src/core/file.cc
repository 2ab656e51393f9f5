#include "core/file.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "core/fail.h"

namespace impasto {
namespace {

std::string reason(int code) { return std::generic_category().message(code); }

// O_NONBLOCK: opening a pipe must not wait for its writer before we can see that it is one. It has no effect on regular files.
int open_for_reading(const std::string& path) {
  if (path.find('\0') != std::string::npos) fail(ErrorKind::invalid_argument, "the path ", path.c_str(), "... holds a NUL character");
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor >= 0) return descriptor;
  const int code = errno;
  struct stat link {};
  if (code == ENOENT && ::lstat(path.c_str(), &link) == 0) fail(ErrorKind::not_found, path, ": is a link to a file that does not exist");
  if (code == ENOENT || code == ENOTDIR) fail(ErrorKind::not_found, path, ": no such file");
  fail(ErrorKind::io, path, ": cannot be opened for reading: ", reason(code));
}

}  // namespace

File::Descriptor::~Descriptor() { ::close(value); }

File::File(const std::string& path) : path_(path), descriptor_{open_for_reading(path)} {
  if (::fstat(descriptor_.value, &opened_) != 0) fail(ErrorKind::io, path, ": ", reason(errno));
  if (S_ISDIR(opened_.st_mode)) fail(ErrorKind::bad_file, path, ": is a folder, expected a file");
  if (!S_ISREG(opened_.st_mode)) fail(ErrorKind::bad_file, path, ": is a pipe or a device, expected a regular file");
}

bool File::changed() const {
  struct stat now {};
  if (::fstat(descriptor_.value, &now) != 0) return true;
  return now.st_size != opened_.st_size || now.st_mtim.tv_sec != opened_.st_mtim.tv_sec || now.st_mtim.tv_nsec != opened_.st_mtim.tv_nsec;
}

void File::read(void* out, std::size_t count, std::uint64_t offset) const {
  auto* to = static_cast<char*>(out);
  for (std::size_t done = 0; done < count;) {
    const ssize_t n = ::pread(descriptor_.value, to + done, count - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorKind::io, path_, ": reading failed: ", reason(errno));
    if (n == 0) fail(ErrorKind::bad_file, path_, ": ends at byte ", offset + done, ", expected at least ", offset + count, ": truncated?");
    done += static_cast<std::size_t>(n);
  }
}

bool has_entry(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  const int code = errno;
  for (const int absent : {ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP})
    if (code == absent) return false;
  fail(ErrorKind::io, path, ": cannot look for it: ", std::generic_category().message(code));
}

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const File file(path);
  if (file.size() > max_bytes) fail(ErrorKind::bad_file, path, ": has ", file.size(), " bytes, expected at most ", max_bytes);
  std::string content(static_cast<std::size_t>(file.size()), '\0');
  file.read(content.data(), content.size(), 0);
  return content;
}

}  // namespace impasto
