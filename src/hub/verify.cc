// Reading the cache again, and comparing it with the hashes that it was named by.
#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

#include "core/fail.h"
#include "core/folder.h"
#include "core/guard.h"
#include "hub/cache.h"
#include "hub/content_hash.h"
#include "hub/environment.h"
#include "impasto/hub.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

struct Entry {
  std::string path;  ///< in the snapshot
  fs::path place;
  std::string hash;       ///< "" where it is no link to a blob of this repository, so that nobody has said one
  std::int64_t size = 0;  ///< -1 where the link leads to nothing
};

/// The hash that a file of a snapshot is published under. The link's own target is named by it; what lies behind that may be a link to a store that
/// other models share.
std::string hash_of(const fs::path& place, const fs::path& blobs) {
  std::error_code error;
  const fs::path target = fs::read_symlink(place, error);
  const std::string name = target.filename().string();
  const bool is_ours = !error && fs::equivalent(place.parent_path() / target.parent_path(), blobs, error);
  return is_ours && !error && (is_sha256(name) || is_git_hash(name)) ? name : "";
}

std::vector<Entry> entries_of(const HubCache& cache, const std::string& commit, const std::string& only) {
  const std::string snapshot = cache.snapshot(commit);
  std::vector<Entry> entries;
  for (const std::string& path : files_below(snapshot)) {
    if (!only.empty() && path != only) continue;
    Entry e{path, snapshot + "/" + path, {}, 0};
    e.hash = hash_of(e.place, cache.folder() + "/blobs");
    std::error_code gone;
    const auto size = fs::file_size(e.place, gone);
    e.size = gone ? -1 : static_cast<std::int64_t>(size);
    entries.push_back(std::move(e));
  }
  return entries;
}

bool others_may_write(const fs::path& path) {
  struct stat s {};
  return ::stat(path.c_str(), &s) == 0 && (s.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

class Verification {
 public:
  explicit Verification(const VerifyOptions& options) : options_(options) {}

  VerifiedModel run(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) progress_.total_bytes += std::max<std::int64_t>(entry.size, 0);
    progress_.total_files = static_cast<int>(entries.size());
    for (const Entry& entry : entries) {
      verify(entry);
      ++progress_.files;
      report();
    }
    model_.files = static_cast<int>(entries.size());
    model_.bytes = progress_.total_bytes;
    return std::move(model_);
  }

 private:
  void verify(const Entry& entry) {
    if (entry.size < 0) return model_.damaged.push_back(entry.path);
    if (others_may_write(entry.place)) model_.writable_by_others.push_back(entry.path);
    if (entry.hash.empty()) {
      progress_.bytes += entry.size;
      return model_.unchecked.push_back(entry.path);
    }
    const std::int64_t before = progress_.bytes;
    const auto look = [&](std::uint64_t bytes) {
      progress_.bytes = before + static_cast<std::int64_t>(bytes);
      report();
    };
    if (!file_matches(entry.place.string(), entry.hash, look)) model_.damaged.push_back(entry.path);
  }

  void report() const {
    if (options_.on_progress) options_.on_progress(progress_);
    if (options_.should_stop && options_.should_stop()) fail(ErrorKind::cancelled, "stopped; not all files were read");
  }

  const VerifyOptions& options_;
  DownloadProgress progress_;
  VerifiedModel model_;
};

}  // namespace

VerifiedModel verify_model(const std::string& name, const VerifyOptions& options) {
  return guarded([&] {
    const auto reference = parse_hub_reference(name);
    if (!reference)
      fail(ErrorKind::invalid_argument, name, " is not the name of a model on the Hub; expected ORG/NAME, ORG/NAME@REVISION or ORG/NAME/FILE");
    const HubEnvironment environment = HubEnvironment::read();
    const HubCache cache(environment.cache, reference->repository);
    const auto commit = cache.commit_of(reference->revision);
    const auto entries = commit ? entries_of(cache, *commit, reference->file) : std::vector<Entry>();
    if (entries.empty()) fail(ErrorKind::not_found, name, " is not in the cache ", environment.cache, "; to fetch it: impasto download ", name);
    VerifiedModel model = Verification(options).run(entries);
    model.path = cache.snapshot(*commit);
    return model;
  });
}

}  // namespace impasto
