// The options of `impasto generate` for Stable Diffusion XL: what it is told about the picture, and its refiner.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/download.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

/// A model that goes on where the first one stops.
struct RefinerArguments {
  ModelChoice model;  ///< its name empty: none
  float start = 0.8f;
};

/// Adds the options; those that are fields of the library's go into `options`. Both must outlive the parsing.
void add_xl_options(CLI::App& app, RefinerArguments& refiner, TextToImageOptions& options);

/// Stable Diffusion XL's kind, its refiners among them: their latents are not those of the other models.
bool is_xl(const ModelInfo& model);
/// Which has the second text encoder alone.
bool is_refiner(const ModelInfo& model);

/// "1024x768", width first. Throws CLI::ValidationError.
PictureSize parse_size(const std::string& option, const std::string& text);

}  // namespace impasto::cli
