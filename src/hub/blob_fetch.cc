#include "hub/blob_fetch.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <unistd.h>

#include "core/fail.h"
#include "core/quote.h"
#include "hub/file_lock.h"
#include "hub/partial_file.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr int kMostDamaged = 3;
constexpr std::uint64_t kProgress = 64 << 10;  // an attempt that brings less has failed
constexpr std::chrono::milliseconds kLockPause{200};

/// Takes the content of one answer, whatever range it turns out to be.
class Receiver {
 public:
  Receiver(PartialFile& file, std::uint64_t size, DownloadTally& tally) : file_(file), size_(size), tally_(tally) {}

  /// More came than was announced, or another part than was asked for.
  bool damaged() const { return damaged_; }

  void take(const HttpHeaders& headers, std::string_view bytes) {
    if (!begun_) begin(headers);
    begun_ = true;
    damaged_ |= bytes.size() > size_ - file_.written();
    if (damaged_) throw TransientFailure{};  // ends the transfer
    file_.append(bytes);
    tally_.bytes += static_cast<std::int64_t>(bytes.size());
    tally_.fetched += static_cast<std::int64_t>(bytes.size());
  }

  void restart() {
    tally_.bytes -= static_cast<std::int64_t>(file_.written());
    file_.restart();
  }

 private:
  void begin(const HttpHeaders& headers) {
    if (headers.status() != 206) return restart();  // all of it, whether that was asked for or not
    const auto range = parse_content_range(headers.value("content-range"));
    damaged_ = !range || range->first != file_.written() || range->total.value_or(size_) != size_;
  }

  PartialFile& file_;
  const std::uint64_t size_;
  DownloadTally& tally_;
  bool begun_ = false, damaged_ = false;
};

class BlobFetch {
 public:
  BlobFetch(HubClient& client, const HubReference& reference, const std::string& path, const FileHead& head, PartialFile& file, DownloadTally& tally)
      : client_(client), reference_(reference), path_(path), head_(head), file_(file), tally_(tally) {
    tally_.bytes += static_cast<std::int64_t>(file.written());
  }

  void run(const RetryPolicy& policy, const StopSignal& stop) {
    Retries retries(policy, stop);
    for (int damaged = 0; !is_finished(damaged);) {
      const std::string failure = attempt(damaged);
      if (damaged >= kMostDamaged) fail_damaged();
      if (failure.empty()) continue;
      if (file_.written() >= best_ + kProgress) retries.progressed();
      best_ = std::max(best_, file_.written());
      retries.wait_after({failure, retry_after_});
    }
  }

 private:
  bool is_finished(int& damaged) {
    if (file_.written() < head_.size) return false;
    if (file_.finish()) return true;
    tally_.bytes -= static_cast<std::int64_t>(head_.size);
    if (++damaged >= kMostDamaged) fail_damaged();
    return false;
  }

  /// What went wrong, or "".
  std::string attempt(int& damaged) {
    Receiver receiver(file_, head_.size, tally_);
    retry_after_.reset();
    try {
      const HttpAnswer answer =
          client_.fetch(reference_, path_, file_.written(), [&](const HttpHeaders& h, std::string_view b) { receiver.take(h, b); });
      if (answer.headers.status() == 416) receiver.restart();
      if (file_.written() < head_.size) return concat(path_, ": ", answer.url.host(), " sent less than it announced");
    } catch (const TransientFailure& failure) {
      retry_after_ = failure.retry_after;
      if (!receiver.damaged()) return path_ + ": " + failure.message;
      ++damaged;
      receiver.restart();
    }
    return {};
  }

  [[noreturn]] void fail_damaged() const {
    fail(ErrorKind::bad_file, reference_.repository, "/", printable(path_), ": what ", client_.host(), " sends is not what it published (",
         is_sha256(head_.hash) ? "SHA-256 " : "git hash ", head_.hash, ", ", head_.size, " bytes); tried ", kMostDamaged,
         " times. If a proxy stands between, it may change what passes");
  }

  HubClient& client_;
  const HubReference& reference_;
  const std::string& path_;
  const FileHead& head_;
  PartialFile& file_;
  DownloadTally& tally_;
  std::uint64_t best_ = 0;
  std::optional<int> retry_after_;
};

void wait_for(FileLock& lock, const StopSignal& stop, DownloadTally& tally) {
  if (lock.try_lock()) return;
  struct Waiting {
    DownloadTally& tally;
    explicit Waiting(DownloadTally& t) : tally(t) { ++tally.waiting; }
    ~Waiting() { --tally.waiting; }
  } const waiting(tally);
  while (!lock.try_lock()) stop.sleep(kLockPause);
}

}  // namespace

bool has_blob(const HubCache& cache, const std::string& hash, std::uint64_t size) {
  std::error_code error;
  return fs::file_size(cache.blob(hash), error) == size && !error;
}

void fetch_blob(HubClient& client, const HubCache& cache, const HubReference& reference, const std::string& path, const FileHead& head,
                const RetryPolicy& policy, const StopSignal& stop, DownloadTally& tally) {
  FileLock lock(cache.lock(head.hash));
  if (!has_blob(cache, head.hash, head.size)) wait_for(lock, stop, tally);
  if (has_blob(cache, head.hash, head.size)) {
    tally.bytes += static_cast<std::int64_t>(head.size);
    return;
  }
  PartialFile file(cache.blob(head.hash), head.hash, head.size);
  BlobFetch(client, reference, path, head, file, tally).run(policy, stop);
}

void link_to_blob(const HubCache& cache, const std::string& commit, const std::string& path, const std::string& hash) {
  const fs::path place = fs::path(cache.snapshot(commit)) / path, blob = cache.blob(hash);
  const fs::path target = blob.lexically_relative(place.parent_path());
  std::error_code error;
  fs::create_directories(place.parent_path(), error);
  if (!error && ::symlink(target.c_str(), place.c_str()) == 0) return;
  int code = error ? error.value() : errno;
  if (code == EEXIST) {
    if (fs::read_symlink(place, error) == target) return;
    // Something else has the name: a link to a blob of another time, or a copy. It is replaced in one step.
    const std::string beside = place.string() + ".impasto-" + hash.substr(0, 16) + ".tmp";
    ::unlink(beside.c_str());
    code = ::symlink(target.c_str(), beside.c_str()) == 0 && ::rename(beside.c_str(), place.c_str()) == 0 ? 0 : errno;
  }
  if (code == EPERM || code == EOPNOTSUPP) code = ::rename(blob.c_str(), place.c_str()) == 0 ? 0 : errno;
  if (code != 0) fail(ErrorKind::io, place.string(), ": cannot be made a link to its content: ", std::generic_category().message(code));
}

void make_copy_a_blob(const HubCache& cache, const std::string& commit, const std::string& path, const std::string& hash) {
  const fs::path place = fs::path(cache.snapshot(commit)) / path, blob = cache.blob(hash);
  const fs::path beside = blob.string() + ".impasto-" + commit.substr(0, 16) + ".tmp";
  std::error_code error;
  fs::remove(beside, error);  // of an attempt that was killed
  fs::create_hard_link(place, beside, error);
  if (error) return;
  fs::rename(beside, blob, error);
  if (!error) link_to_blob(cache, commit, path, hash);
  fs::remove(beside, error);  // it is still there where both were the same file
}

}  // namespace impasto
