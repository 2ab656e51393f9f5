// `impasto download`, and the same for a --model that is not here yet.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace impasto::cli {

struct DownloadArguments {
  std::string model, variant;
  std::vector<std::string> files;
  int max_workers = 8;
  bool verify = false, quiet = false, json = false;
};

CLI::App* add_download(CLI::App& app, DownloadArguments& arguments);

/// Returns the exit code 0; throws Error.
int download(const DownloadArguments& arguments);

/// The folder of the model that a command is to use: as model_or_default(), and where that names a model on the Hub, what the cache has of it, else
/// what is downloaded now, with a bar on standard error unless `quiet`. Throws as impasto::download().
std::string ready_model(const std::string& named, const std::string& variant, bool quiet);

}  // namespace impasto::cli
