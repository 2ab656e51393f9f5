// Files of a repository by path or pattern.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace impasto {

/// Whether it has *, ? or [ in it.
bool is_pattern(const std::string& path);

/// Those of `all` that one of the paths or patterns stands for. Throws not_found, beginning with `where`, for a path that is not there, and where
/// there is none at all.
std::vector<std::string> matching_files(const std::set<std::string>& all, const std::vector<std::string>& patterns, const std::string& where);

}  // namespace impasto
