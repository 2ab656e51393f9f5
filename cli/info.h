// `impasto info`: what a checkpoint holds and what drawing from it will take.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/download.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

struct InfoArguments {
  ModelChoice model;
  ModelParts parts;
  int width = 0, height = 0, num_images = 1;
  bool json = false;
};

CLI::App* add_info(CLI::App& app, InfoArguments& arguments);

/// Returns the exit code 0; throws Error.
int info(const InfoArguments& arguments);

}  // namespace impasto::cli
