// The Hub's answer to what a repository holds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace impasto {

struct ListedFile {
  std::optional<std::uint64_t> size;
  std::string hash;  ///< SHA-256 of large files, git's hash of others; "" where the server does not say
};

struct Listing {
  std::string commit;
  std::map<std::string, ListedFile> files;  ///< by path
};

/// Of /api/models/ORG/NAME/revision/REV?blobs=true. Paths that could not lie safely below a folder are left out. Throws bad_file, beginning with
/// `where`, for what is not such an answer.
Listing parse_listing(std::string_view json, const std::string& where);

}  // namespace impasto
