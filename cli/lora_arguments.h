// Adapters of a run: files that are named, and those that the prompt's tags name.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/lora.h"

namespace impasto::cli {

struct LoraArguments {
  std::vector<std::string> files;  ///< "FILE" or "FILE:SCALE"
  std::string folder;              ///< for "<lora:NAME:SCALE>"
};

/// Adds --lora and --lora-dir; `arguments` must outlive the parsing.
void add_lora_options(CLI::App& app, LoraArguments& arguments);

/// Warns of files whose names cannot be recorded.
void warn_of_names(const LoraArguments& arguments);

struct ChosenLoras {
  std::vector<Lora> loras;
  std::string drawn_prompt;     ///< without tags
  std::string recorded_prompt;  ///< as typed, and a tag for each file that was named and can be: who reads it with the same folder draws the same
};

/// Throws invalid_argument for a tag where no folder was named, not_found for files that are not there.
ChosenLoras choose_loras(const LoraArguments& arguments, const std::string& prompt);

}  // namespace impasto::cli
