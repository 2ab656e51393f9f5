// `impasto metadata`: the text that a picture carries.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace impasto::cli {

struct MetadataArguments {
  std::string file;
  bool json = false;
};

CLI::App* add_metadata(CLI::App& app, MetadataArguments& arguments);

/// Returns the exit code 0; throws Error, not_found when the picture carries none.
int metadata(const MetadataArguments& arguments);

}  // namespace impasto::cli
