// The options of `impasto generate` that are about the prompt.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

struct PromptArguments {
  std::optional<std::string> text;  ///< "-" is standard input
  std::string file;                 ///< the same
};

/// Adds the options; those that are fields of the library's go into `options`. Both must outlive the parsing.
void add_prompt_options(CLI::App& app, PromptArguments& arguments, TextToImageOptions& options);

/// The prompt: as given, or read from --prompt-file or standard input without its last line's end. Throws invalid_argument when there is
/// none or it holds a NUL, not_found or io.
std::string read_prompt(const PromptArguments& arguments);

}  // namespace impasto::cli
