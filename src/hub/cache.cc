#include "hub/cache.h"

#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/folder.h"
#include "core/quote.h"
#include "hub/needed_files.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

/// "models--ORG--NAME"
std::string folder_name(const std::string& repository) {
  std::string name = "models--" + repository;
  name.replace(name.find('/'), 1, "--");
  return name;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

HubCache::HubCache(std::string root, const std::string& repository)
    : root_(std::move(root)), name_(folder_name(repository)), folder_(root_ + "/" + name_) {}

std::string HubCache::lock(const std::string& hash) const { return root_ + "/.locks/" + name_ + "/" + hash + ".lock"; }

std::optional<std::string> HubCache::commit_of(const std::string& revision) const {
  if (is_git_hash(revision)) return revision;
  const std::string path = ref(revision);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  std::string commit = read_file(path, /*max_bytes=*/4096);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  if (!is_git_hash(commit))
    fail(ErrorKind::bad_file, path, ": expected a commit of 40 hexadecimal digits, found ", in_quotes(commit),
         "; delete the file and download again");
  return commit;
}

std::set<std::string> HubCache::files_of(const std::string& commit) const {
  const std::string folder = snapshot(commit);
  std::set<std::string> files;
  for (const std::string& path : files_below(folder)) {
    if (exists(folder + "/" + path)) files.insert(path);
  }
  return files;
}

std::optional<std::string> find_in_cache(const std::string& root, const HubReference& reference, const std::string& variant, std::string* missing) {
  check_variant(variant);
  const HubCache cache(root, reference.repository);
  const auto commit = cache.commit_of(reference.revision);
  if (!commit) return std::nullopt;
  const std::string folder = cache.snapshot(*commit);
  if (!reference.file.empty()) return exists(folder + "/" + reference.file) ? std::optional(folder + "/" + reference.file) : std::nullopt;
  const auto files = cache.files_of(*commit);
  if (files.empty()) return std::nullopt;
  try {
    needed_files(files, variant, folder);
    return folder;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::unsupported) throw;
    if (missing != nullptr) *missing = error.what();
    return std::nullopt;
  }
}

}  // namespace impasto
