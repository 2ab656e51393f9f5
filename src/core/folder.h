// What lies in a folder.
#pragma once

#include <string>
#include <vector>

namespace impasto {

/// Names, without "." and "..", in no order; none where there is no such folder or it cannot be read. (std::filesystem's iterators end the process
/// when an allocation fails.)
std::vector<std::string> names_in(const std::string& folder);

/// Paths of the files below a folder, relative to it, sorted: regular files, and links that lead to one or to nothing; links to folders are not
/// followed.
std::vector<std::string> files_below(const std::string& folder);

/// The same for a folder that a caller named, in which `what` is looked for ("embeddings"). Throws not_found, saying why, where it cannot be read.
std::vector<std::string> require_files_below(const std::string& folder, const char* what);

}  // namespace impasto
