#include "core/atomic_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/fail.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

std::string hint(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return "; free some space or choose another folder";
    case ENOENT: return "; the folder must exist already";
    case EACCES:
    case EPERM:
    case EROFS: return "; choose a folder that you may write to";
    default: return "";
  }
}

/// What is being written, for messages.
struct Job {
  std::string path;
  std::uint64_t bytes;
  const std::function<void(const WriteBytes&)>& produce;

  [[noreturn]] void fail_with(int error, const char* doing) const {
    fail(ErrorKind::io, path, ": cannot write ", bytes, " bytes: ", doing, ": ", std::generic_category().message(error), hint(error));
  }
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  /// 0, or the error: network file systems report a full disk only here.
  int close() {
    if (fd_ < 0) return 0;
    const int result = ::close(fd_);
    fd_ = -1;
    return result == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

/// Removes the temporary file unless it has been renamed.
class Temporary {
 public:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const std::string& path() const { return path_; }
  void set(std::string path) { path_ = std::move(path); }
  void release() { path_.clear(); }

 private:
  std::string path_;
};

void write_piece(const Job& job, int fd, std::span<const std::uint8_t> bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) job.fail_with(n < 0 ? errno : EIO, "writing");
    done += static_cast<std::size_t>(n);
  }
}

void write_all(const Job& job, int fd) {
  std::uint64_t written = 0;
  job.produce([&](std::span<const std::uint8_t> bytes) {
    write_piece(job, fd, bytes);
    written += bytes.size();
  });
  IMPASTO_CHECK(written == job.bytes);
}

std::optional<struct stat> status(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return std::nullopt;
  return s;
}

void write_directly(const Job& job) {
  Descriptor file(::open(job.path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) job.fail_with(errno, "opening");
  write_all(job, file.get());
  if (const int error = file.close()) job.fail_with(error, "closing");
}

std::string temporary_path(const fs::path& target, unsigned high, unsigned low) {
  char name[48];  // short, so that any name that fits in the folder has room for it
  std::snprintf(name, sizeof name, ".impasto-%08x%08x.tmp", high, low);
  const fs::path folder = target.parent_path();
  return ((folder.empty() ? "." : folder) / name).string();
}

/// The same for the same target, so that what a killed process left is found by the next (FNV-1a of the name).
std::string usual_temporary(const fs::path& target) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : target.filename().string()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return temporary_path(target, static_cast<unsigned>(hash >> 32), static_cast<unsigned>(hash));
}

/// One that nobody else uses: for those who come while somebody else writes the same target.
std::string unique_temporary(const fs::path& target) {
  std::random_device random;
  const unsigned high = random();
  return temporary_path(target, high, random());
}

/// 0, or the error. Whoever writes a temporary holds this lock until it has its last name; others take what is not locked for abandoned.
int lock(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

/// Nothing where the system cannot tell.
std::optional<bool> is_named(int fd, const std::string& path) {
  struct stat opened {
  }, named{};
  if (::fstat(fd, &opened) != 0) return std::nullopt;
  if (::lstat(path.c_str(), &named) != 0) return errno == ENOENT ? std::optional(false) : std::nullopt;
  return opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

/// Removes a file, or a folder and all that is in it, without asking for memory that may fail: destructors call it. What cannot be removed stays.
void remove_tree(int folder, const char* name) {
  if (::unlinkat(folder, name, 0) == 0 || errno != EISDIR) return;
  const int fd = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* const entries = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (entries != nullptr) {
    while (const dirent* entry = ::readdir(entries))
      if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) remove_tree(fd, entry->d_name);
    ::closedir(entries);
  } else if (fd >= 0) {
    ::close(fd);
  }
  ::unlinkat(folder, name, AT_REMOVEDIR);
}

/// Whether there is nothing of that name but an empty folder. (std::filesystem's iterators end the process when an allocation fails.)
bool is_free(const std::string& path) {
  struct stat s {};
  if (::lstat(path.c_str(), &s) != 0) return true;
  DIR* const entries = ::opendir(path.c_str());
  if (entries == nullptr) return false;
  int count = 0;
  while (count <= 2 && ::readdir(entries) != nullptr) ++count;  // "." and ".."
  ::closedir(entries);
  return count <= 2;
}

/// Removes a temporary that a process which is no more left. Where locks lock nothing, as on some network file systems (two of ours succeed), nobody
/// can tell and it stays.
void remove_abandoned(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const Descriptor first(::open(path.c_str(), kFlags));
  if (first.get() < 0) return;
  const Descriptor second(::open(path.c_str(), kFlags));
  if (second.get() < 0 || lock(first.get()) != 0 || lock(second.get()) == 0 || !is_named(first.get(), path).value_or(false)) return;
  remove_tree(AT_FDCWD, path.c_str());
}

/// A file or folder that is open, locked and has a temporary name; -1, with errno, where none can be made.
struct Made {
  std::string path;
  int fd;
};
template <typename Create>
Made make_temporary(const fs::path& target, const Create& create) {
  const std::string usual = usual_temporary(target);
  remove_abandoned(usual);
  const int fd = create(usual);
  if (fd < 0 && errno != EEXIST && errno != ENOENT) return {usual, fd};
  if (fd >= 0) {
    if (lock(fd) != EWOULDBLOCK && is_named(fd, usual).value_or(true)) return {usual, fd};
    ::close(fd);  // another process took it for abandoned in the moment before it was locked
  }
  const std::string unique = unique_temporary(target);
  return {unique, create(unique)};
}

/// A file without a name: nothing is left of it when the process is killed. -1 where the file system has none, or no /proc can name it.
int open_unnamed(const std::string& folder) {
  if (::access("/proc/self/fd", X_OK) != 0) return -1;
  return ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

/// Gives it a name that nothing has yet. 0, or the error.
int link_unnamed(int fd, const std::string& path) {
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

/// Linking does not replace: where the target exists, the file is named beside it for the moment before it is renamed.
std::string name_beside(const Job& job, int fd, const fs::path& target) {
  std::string path = usual_temporary(target);
  lock(fd);
  int error = link_unnamed(fd, path);
  if (error == EEXIST) {
    remove_abandoned(path);
    error = link_unnamed(fd, path);
  }
  if (error == EEXIST) error = link_unnamed(fd, path = unique_temporary(target));
  if (error != 0) job.fail_with(error, "naming");
  return path;
}

/// The file that a chain of symbolic links ends in, which need not exist.
std::string follow_links(const Job& job) {
  fs::path path = job.path;
  for (int links = 0; links < 40; ++links) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) return path.string();
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  job.fail_with(ELOOP, "following links");
}

void sync_folder(const Job& job, const std::string& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return;  // a folder that we may write to but not list
  // Some network file systems cannot sync folders.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != ENOTSUP) job.fail_with(errno, "syncing the folder");
}

/// Small files try their luck.
void require_room(const std::string& path, std::uint64_t bytes, const std::string& folder) {
  constexpr std::uint64_t kSmall = 1 << 20;
  struct statvfs disk {};
  if (bytes < kSmall || ::statvfs(folder.c_str(), &disk) != 0) return;
  const std::uint64_t room = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
  if (room < bytes) fail(ErrorKind::io, path, ": needs ", bytes, " bytes, but the disk has ", room, " left", hint(ENOSPC));
}

void replace(const Job& job, const std::optional<struct stat>& old, std::optional<unsigned> mode) {
  const std::string target = follow_links(job);
  // Renaming would not ask whether the old file is write-protected.
  if (old && ::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0) job.fail_with(errno, "opening");
  const fs::path parent = fs::path(target).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();

  require_room(job.path, job.bytes, folder);
  Made made{{}, open_unnamed(folder)};
  const bool unnamed = made.fd >= 0;
  if (!unnamed) {
    made = make_temporary(target, [](const std::string& path) { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); });
    if (made.fd < 0) job.fail_with(errno, "creating a file in its folder");
  }
  Descriptor file(made.fd);
  Temporary temporary(std::move(made.path));
  if (old || mode) static_cast<void>(::fchmod(file.get(), mode.value_or(old ? old->st_mode & 0777 : 0)));  // some file systems have no modes
  write_all(job, file.get());
  if (::fsync(file.get()) != 0) job.fail_with(errno, "syncing");
  if (unnamed) temporary.set(name_beside(job, file.get(), target));
  const Descriptor locked(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));  // until it is renamed
  if (const int error = file.close()) job.fail_with(error, "closing");
  if (::rename(temporary.path().c_str(), target.c_str()) != 0) job.fail_with(errno, "renaming");
  temporary.release();
  sync_folder(job, folder);
}

}  // namespace

void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes, std::optional<unsigned> mode) {
  write_file_atomically(
      path, bytes.size(), [&](const WriteBytes& write) { write(bytes); }, mode);
}

void write_file_atomically(const std::string& path, std::uint64_t bytes, const std::function<void(const WriteBytes&)>& produce,
                           std::optional<unsigned> mode) {
  const Job job{path, bytes, produce};
  const auto old = status(path);
  if (old && S_ISDIR(old->st_mode)) job.fail_with(EISDIR, "opening");
  if (old && !S_ISREG(old->st_mode)) return write_directly(job);
  replace(job, old, mode);
}

AtomicFolder::AtomicFolder(const std::string& path, std::uint64_t bytes)
    : path_(fs::absolute(path).lexically_normal().string()) {  // "." has a parent, too
  if (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (!is_free(path_)) fail(ErrorKind::invalid_argument, path, ": is there already; name another folder, or remove it first");
  require_room(path, bytes, fs::path(path_).parent_path().string());
  Made made = make_temporary(path_, [](const std::string& name) {
    if (::mkdir(name.c_str(), 0777) != 0) return -1;
    const int fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (const int code = errno; fd < 0) ::rmdir(name.c_str()), errno = code;
    return fd;
  });
  if (made.fd < 0) {
    const int code = errno;
    fail(ErrorKind::io, path, ": cannot make a folder: ", std::generic_category().message(code), hint(code));
  }
  temporary_ = std::move(made.path);
  lock_ = made.fd;
}

AtomicFolder::~AtomicFolder() {
  if (!temporary_.empty()) remove_tree(AT_FDCWD, temporary_.c_str());
  ::close(lock_);
}

void AtomicFolder::commit() {
  const fs::path parent = fs::path(path_).parent_path();
  const std::function<void(const WriteBytes&)> nothing;
  const Job job{path_, 0, nothing};
  sync_folder(job, temporary_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) job.fail_with(errno, "renaming");
  temporary_.clear();
  sync_folder(job, parent.empty() ? "." : parent.string());
}

}  // namespace impasto
