// Which embeddings a prompt speaks of.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string_view>

#include "core/fail.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/embedding.h"
#include "prompts/new_words.h"
#include "tokenizers/unicode.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kExtensions{".safetensors", ".pt", ".bin"};

bool is_embedding_file(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.is_regular_file(error) && std::find(kExtensions.begin(), kExtensions.end(), entry.path().extension().string()) != kExtensions.end();
}

/// Links to folders are not followed, so there are no circles.
std::vector<fs::path> files_under(const std::string& folder) {
  std::error_code error;
  fs::recursive_directory_iterator files(folder, error), end;
  if (error) fail(ErrorKind::not_found, folder, ": cannot look for embeddings there: ", error.message());
  std::vector<fs::path> found;
  for (; files != end; files.increment(error)) {
    if (error) fail(ErrorKind::io, folder, ": cannot look for embeddings there: ", error.message());
    if (is_embedding_file(*files)) found.push_back(files->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

std::vector<std::string> find_embeddings(const std::string& folder, const std::string& text) {
  return guarded([&] {
    std::map<std::string, std::string> by_name;
    for (const fs::path& file : files_under(folder)) {
      const std::string name = file.stem().string();
      if (repair_utf8(name) != name || !occurs(name, text)) continue;
      const auto [place, is_new] = by_name.emplace(name, file.string());
      if (!is_new)
        fail(ErrorKind::invalid_argument, folder, ": several files are named ", in_quotes(name), ": ", place->second, " and ", file.string());
    }
    std::vector<std::string> files;
    for (const auto& [name, file] : by_name) files.push_back(file);
    return files;
  });
}

}  // namespace impasto
