#include "cli/default_model.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "impasto/error.h"

namespace impasto::cli {
namespace fs = std::filesystem;

namespace {

bool is_model(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "model_index.json", error);
}

/// The built-in model in one of the folders around the command: PREFIX/bin/impasto, or SOURCE/build/PRESET/cli/impasto.
std::string built_in_model() {
  std::error_code error;
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int up = 0; up < 5 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
    for (const char* place : {"share/impasto/models/sketchbook", "models/sketchbook"}) {
      if (is_model(folder / place)) return (folder / place).string();
    }
  }
  return {};
}

}  // namespace

std::string model_or_default(const std::string& named) {
  if (!named.empty()) return named;
  if (const char* variable = std::getenv("IMPASTO_MODEL"); variable != nullptr && *variable != '\0') return variable;
  if (std::string model = built_in_model(); !model.empty()) return model;
  throw Error(ErrorKind::invalid_argument,
              "no model is named: give --model DIR, a Stable Diffusion checkpoint in the diffusers layout (a folder with model_index.json), or set "
              "IMPASTO_MODEL to one");
}

}  // namespace impasto::cli
