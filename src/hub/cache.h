// A repository in the cache that huggingface_hub keeps:
//
//     models--ORG--NAME/refs/main                    the commit that a branch or tag was at when it was last looked up
//     models--ORG--NAME/snapshots/COMMIT/unet/x      a link to ../../../blobs/HASH
//     models--ORG--NAME/blobs/HASH                   the content, named for its SHA-256 (large files) or git hash (small ones)
//     .locks/models--ORG--NAME/HASH.lock             held while that blob is fetched
#pragma once

#include <optional>
#include <set>
#include <string>

#include "hub/reference.h"

namespace impasto {

class HubCache {
 public:
  /// `root` is HubEnvironment::cache. Nothing is looked at yet.
  HubCache(std::string root, const std::string& repository);

  const std::string& root() const { return root_; }
  const std::string& folder() const { return folder_; }
  std::string blob(const std::string& hash) const { return folder_ + "/blobs/" + hash; }
  std::string snapshot(const std::string& commit) const { return folder_ + "/snapshots/" + commit; }
  std::string ref(const std::string& revision) const { return folder_ + "/refs/" + revision; }
  std::string lock(const std::string& hash) const;

  /// The commit that the revision stands for here: itself where it is one, else what its ref says. Nothing where it was never fetched.
  /// Throws bad_file for a ref that holds something else.
  std::optional<std::string> commit_of(const std::string& revision) const;

  /// Paths of the files in a snapshot, relative to it; links whose blob is gone are left out. Empty where there is no such snapshot.
  std::set<std::string> files_of(const std::string& commit) const;

 private:
  std::string root_, name_, folder_;
};

/// What of a reference lies complete in the cache: the snapshot's folder, or the path of its one file. Nothing where it was never fetched, or not
/// all of it; `missing` (if not null) then says what is. `variant` as for needed_files().
std::optional<std::string> find_in_cache(const std::string& cache, const HubReference& reference, const std::string& variant,
                                         std::string* missing = nullptr);

}  // namespace impasto
