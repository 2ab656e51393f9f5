// One file's content, from the Hub into the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "hub/cache.h"
#include "hub/hub_client.h"

namespace impasto {

/// What the threads of a download have done so far.
struct DownloadTally {
  std::atomic<std::int64_t> bytes{0};    ///< that lie on the disk; goes back when something came damaged
  std::atomic<std::int64_t> fetched{0};  ///< that came over the network
  std::atomic<int> files{0};
  std::atomic<int> waiting{0};  ///< threads that wait for another process to fetch the same file
};

/// Brings the blob that `head` speaks of into the cache, where it is not there with that size: from where an earlier attempt was broken off, again
/// after breaks, checked against its hash before it gets its name. `reference` names the commit as its revision. Throws as HubClient, and bad_file
/// when what comes does not have the hash three times.
void fetch_blob(HubClient& client, const HubCache& cache, const HubReference& reference, const std::string& path, const FileHead& head,
                const RetryPolicy& policy, const StopSignal& stop, DownloadTally& tally);

/// Whether the cache holds a blob of this size.
bool has_blob(const HubCache& cache, const std::string& hash, std::uint64_t size);

/// Makes a copy in the snapshot, whose content has the hash, a link to its blob. Leaves it as it is where the file system has no links. Throws io.
void make_copy_a_blob(const HubCache& cache, const std::string& commit, const std::string& path, const std::string& hash);

/// Makes the snapshot's path a relative link to the blob (where the file system has no links: moves the blob there). Throws io.
void link_to_blob(const HubCache& cache, const std::string& commit, const std::string& path, const std::string& hash);

}  // namespace impasto
