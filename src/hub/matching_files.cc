#include "hub/matching_files.h"

#include <algorithm>

#include <fnmatch.h>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != path.npos; }

std::vector<std::string> matching_files(const std::set<std::string>& all, const std::vector<std::string>& patterns, const std::string& where) {
  std::vector<std::string> found;
  for (const std::string& path : all) {
    const auto matches = [&](const std::string& p) { return path == p || (is_pattern(p) && ::fnmatch(p.c_str(), path.c_str(), 0) == 0); };
    if (std::any_of(patterns.begin(), patterns.end(), matches)) found.push_back(path);
  }
  for (const std::string& p : patterns) {
    if (!is_pattern(p) && !all.contains(p)) fail(ErrorKind::not_found, where, ": has no file ", printable(p));
  }
  if (found.empty()) fail(ErrorKind::not_found, where, ": has no file ", printable(patterns.front()));
  return found;
}

}  // namespace impasto
