#include "hub/partial_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/fail.h"
#include "core/folder.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr const char* kMiddle = ".impasto-";
constexpr const char* kEnd = ".incomplete";

std::string fresh_name(const std::string& blob) {
  std::random_device random;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%08x%08x", static_cast<unsigned>(random()), static_cast<unsigned>(random()));
  return blob + kMiddle + digits + kEnd;
}

/// What attempts at this blob have left, the largest first.
std::vector<fs::path> leftovers(const std::string& blob) {
  const fs::path folder = fs::path(blob).parent_path();
  const std::string begin = fs::path(blob).filename().string() + kMiddle;
  std::vector<std::pair<std::uintmax_t, fs::path>> found;
  for (const std::string& name : names_in(folder.string())) {
    std::error_code gone;
    if (!name.starts_with(begin) || !name.ends_with(kEnd)) continue;
    const auto size = fs::file_size(folder / name, gone);
    if (!gone) found.emplace_back(size, folder / name);
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<fs::path> paths;
  for (auto& [size, path] : found) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

PartialFile::PartialFile(const std::string& blob, const std::string& hash, std::uint64_t size) : blob_(blob), size_(size), hash_(hash, size) {
  create();
  adopt_leftovers();
}

PartialFile::~PartialFile() {
  if (file_.is_open() && written_ == 0) ::unlink(path_.c_str());
}

void PartialFile::create() {
  path_ = fresh_name(blob_);
  file_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
  if (!file_.is_open()) fail_writing(errno, "creating a file");
  static_cast<void>(::flock(file_.get(), LOCK_EX | LOCK_NB));  // tells others that its writer lives
}

void PartialFile::adopt_leftovers() {
  for (const fs::path& path : leftovers(blob_)) {
    if (path == path_) continue;
    const Descriptor old(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!old.is_open() || ::flock(old.get(), LOCK_EX | LOCK_NB) != 0) continue;  // somebody writes it now
    try {
      adopt(old.get());
    } catch (const Error&) {
      restart();  // no room for two of them: the content comes again
    }
    ::unlink(path.c_str());
  }
}

void PartialFile::adopt(int old) {
  std::string chunk(1 << 20, '\0');
  while (written_ < size_) {
    const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size_ - written_));
    const ssize_t n = ::pread(old, chunk.data(), most, static_cast<off_t>(written_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    append({chunk.data(), static_cast<std::size_t>(n)});
  }
}

void PartialFile::append(std::string_view bytes) {
  if (bytes.size() > size_ - written_) fail(ErrorKind::bad_file, blob_, ": more content came than the ", size_, " bytes that were announced");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pwrite(file_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(written_));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_writing(n < 0 ? errno : EIO, "writing");
    hash_.add(bytes.substr(done, static_cast<std::size_t>(n)));
    done += static_cast<std::size_t>(n);
    written_ += static_cast<std::uint64_t>(n);
  }
}

void PartialFile::restart() {
  if (::ftruncate(file_.get(), 0) != 0) fail_writing(errno, "truncating");
  written_ = 0;
  hash_.restart();
}

bool PartialFile::finish() {
  if (written_ != size_ || !hash_.matches()) {
    restart();
    return false;
  }
  if (::fsync(file_.get()) != 0) fail_writing(errno, "syncing");
  if (::rename(path_.c_str(), blob_.c_str()) != 0) {
    // Where locks are granted to everybody, another process may have taken our file for a leftover. It is still open here.
    std::error_code ignored;
    if (errno != ENOENT) fail_writing(errno, "renaming");
    if (!fs::exists(blob_, ignored)) {
      const Descriptor old = std::move(file_);
      create();
      restart();
      adopt(old.get());
      return finish();
    }
  }
  file_.reset();
  sync_folder(fs::path(blob_).parent_path().string());
  return true;
}

void PartialFile::fail_writing(int error, const char* doing) const {
  const std::string folder = fs::path(blob_).parent_path().string();
  const bool full = error == ENOSPC || error == EDQUOT;
  fail(ErrorKind::io, folder, ": ", doing, " failed: ", std::generic_category().message(error),
       full ? concat("; ", size_ - written_,
                     " more bytes are needed. What has come is kept: free some space and download again, or choose another place "
                     "with HF_HOME")
            : std::string("; the cache must be a folder that you may write to (HF_HOME chooses another)"));
}

std::uint64_t leftover_bytes(const std::string& blob, std::uint64_t size) {
  const auto paths = leftovers(blob);
  std::error_code gone;
  const auto bytes = paths.empty() ? 0 : fs::file_size(paths.front(), gone);
  return gone ? 0 : std::min<std::uint64_t>(bytes, size);
}

void sync_folder(const std::string& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.is_open()) static_cast<void>(::fsync(fd.get()));
}

}  // namespace impasto
