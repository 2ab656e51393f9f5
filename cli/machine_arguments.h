// Options shared by the commands that load a checkpoint to compute.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

/// --model, --variant, --device, --dtype, --threads, --mmap, --low-memory.
void add_machine(CLI::App& app, std::string& model, std::string& variant, LoadOptions& load);

}  // namespace impasto::cli
