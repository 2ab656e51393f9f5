// Options shared by the commands that open a checkpoint.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/download.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

/// --vae, --text-encoder, --tokenizer, --config, --prediction-type.
void add_parts(CLI::App& app, ModelParts& parts);

/// The model under the given names, --variant, --verify.
void add_model(CLI::App& app, const char* names, ModelChoice& model);

/// --model and what goes with it, those of add_parts, --device, --dtype, --threads, --mmap, --low-memory.
void add_machine(CLI::App& app, ModelChoice& model, LoadOptions& load);

}  // namespace impasto::cli
