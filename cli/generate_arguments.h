// The options of `impasto generate`.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/control_arguments.h"
#include "cli/download.h"
#include "cli/ip_adapter_arguments.h"
#include "cli/lora_arguments.h"
#include "cli/picture_arguments.h"
#include "cli/prompt_arguments.h"
#include "cli/xl_arguments.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

/// "every=5,vae"
struct PreviewArguments {
  int every = 0;  ///< steps; 0: none
  PreviewMethod method = PreviewMethod::linear;
};

struct GenerateArguments {
  const CLI::App* command = nullptr;  ///< whose options they are
  ModelChoice model;
  LoadOptions load;
  InpaintOptions picture;  ///< all but the prompt and the pictures; how much of it counts depends on the task
  PictureArguments from;
  LoraArguments lora;
  ControlArguments control;
  IpAdapterArguments ip_adapter;
  PromptArguments prompt;
  RefinerArguments refiner;
  int batch_size = 0;  ///< pictures that are drawn together; 0: all
  bool grid = false;
  int grid_columns = 0;
  PreviewArguments preview;
  std::string output;
  EncodeOptions encoding;
  bool quiet = false, json = false;
};

/// Adds the subcommand; `arguments` must outlive the parsing.
CLI::App* add_generate(CLI::App& app, GenerateArguments& arguments);

/// Whether the command line has the option; what the picture of --from says does not count.
bool given(const GenerateArguments& arguments, const char* option);

}  // namespace impasto::cli
