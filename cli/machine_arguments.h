// Options shared by the commands that open a checkpoint.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

/// --vae, --text-encoder, --tokenizer, --config, --prediction-type.
void add_parts(CLI::App& app, ModelParts& parts);

/// --model, those of add_parts, --device, --dtype, --threads, --mmap, --low-memory.
void add_machine(CLI::App& app, std::string& model, LoadOptions& load);

}  // namespace impasto::cli
