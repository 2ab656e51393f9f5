// Options shared by the commands that load a checkpoint to compute.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

/// --model, --device, --dtype, --threads, --mmap, --low-memory.
void add_machine(CLI::App& app, std::string& model, LoadOptions& load);

}  // namespace impasto::cli
