// Which embeddings a prompt speaks of.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string_view>

#include "core/fail.h"
#include "core/folder.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/embedding.h"
#include "prompts/new_words.h"
#include "tokenizers/unicode.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kExtensions{".safetensors", ".pt", ".bin"};

bool is_embedding_file(const fs::path& path) {
  return std::find(kExtensions.begin(), kExtensions.end(), path.extension().string()) != kExtensions.end();
}

}  // namespace

std::vector<std::string> find_embeddings(const std::string& folder, const std::string& text) {
  return guarded([&] {
    std::map<std::string, std::string> by_name;
    for (const std::string& path : require_files_below(folder, "embeddings")) {
      const fs::path file = fs::path(folder) / path;
      const std::string name = file.stem().string();
      if (!is_embedding_file(file) || repair_utf8(name) != name || !occurs(name, text)) continue;
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
