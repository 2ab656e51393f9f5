// `impasto download`, and the same for a --model that is not here yet.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/hub.h"
#include "impasto/pipeline.h"

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

/// impasto::download() with a bar on standard error unless `quiet`.
DownloadedModel fetch(const std::string& model, const DownloadOptions& options, bool quiet);

/// The model that a command is to use.
struct ModelChoice {
  std::string name;          ///< "" is the default
  std::string variant = {};  ///< of the weights, where they are downloaded
  bool verify = false;       ///< whether to read a cached model and compare it with its hashes first
};

/// Its folder or file: as model_or_default(), and where that names a model on the Hub, what the cache has of it, else what is downloaded now, with a
/// bar on standard error unless `quiet`. Throws as impasto::download(), bad_file for a cached model that is damaged.
std::string ready_model(const ModelChoice& choice, bool quiet);

/// Where a model was found without a tokenizer, as single files are: brings the usual one into the cache, where loading looks for it. Throws as
/// impasto::download(), saying what else would do.
void ready_tokenizer(const ModelInfo& model, bool quiet);

}  // namespace impasto::cli
