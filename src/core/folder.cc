#include "core/folder.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <sys/stat.h>

#include "core/fail.h"

namespace impasto {
namespace {

constexpr int kDeepest = 16;

void collect(const std::string& folder, const std::string& prefix, int depth, std::vector<std::string>& files) {
  for (const std::string& name : names_in(folder)) {
    const std::string path = folder + "/" + name;
    struct stat itself {
    }, target{};
    if (::lstat(path.c_str(), &itself) != 0) continue;
    const bool leads_somewhere = ::stat(path.c_str(), &target) == 0;
    if (S_ISDIR(itself.st_mode) && depth < kDeepest) collect(path, prefix + name + "/", depth + 1, files);
    if (S_ISREG(itself.st_mode) || (S_ISLNK(itself.st_mode) && (!leads_somewhere || S_ISREG(target.st_mode)))) files.push_back(prefix + name);
  }
}

}  // namespace

std::vector<std::string> names_in(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
  std::vector<std::string> names;
  if (!stream) return names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  collect(folder, "", 0, files);
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> require_files_below(const std::string& folder, const char* what) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
  if (!stream) fail(ErrorKind::not_found, folder, ": cannot look for ", what, " there: ", std::generic_category().message(errno));
  return files_below(folder);
}

}  // namespace impasto
