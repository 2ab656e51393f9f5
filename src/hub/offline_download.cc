#include "hub/offline_download.h"

#include <filesystem>
#include <system_error>

#include "core/fail.h"
#include "hub/cache.h"
#include "hub/matching_files.h"
#include "hub/needed_files.h"

namespace impasto {
namespace fs = std::filesystem;

DownloadedModel offline_download(const HubReference& reference, const DownloadOptions& options, const HubEnvironment& environment) {
  const HubCache cache(environment.cache, reference.repository);
  const auto commit = cache.commit_of(reference.revision);
  const char* why = environment.offline ? "HF_HUB_OFFLINE forbids" : "local_files_only forbids";
  std::string missing;
  std::vector<std::string> files;
  if (!reference.file.empty()) files = {reference.file};
  auto path = find_in_cache(environment.cache, reference, options.variant, &missing);
  if (!options.files.empty() && reference.file.empty()) {
    path.reset();
    try {
      if (commit) files = matching_files(cache.files_of(*commit), options.files, path.emplace(cache.snapshot(*commit)));
    } catch (const Error& error) {
      missing = error.what();
      path.reset();
    }
  }
  if (!path)
    fail(ErrorKind::not_found, reference.text(), " is not ", missing.empty() ? "" : "complete ", "in the cache ", environment.cache,
         missing.empty() ? "" : " (" + missing + ")", ", and ", why, " to fetch it");
  DownloadedModel model;
  model.path = *path;
  model.commit = *commit;
  if (files.empty()) files = needed_files(cache.files_of(*commit), options.variant, *path);
  for (const std::string& file : files) {
    std::error_code gone;
    const auto size = fs::file_size(cache.snapshot(*commit) + "/" + file, gone);
    if (!gone) model.bytes += static_cast<std::int64_t>(size);
  }
  model.files = static_cast<int>(files.size());
  return model;
}

}  // namespace impasto
