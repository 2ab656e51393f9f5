// `impasto convert`: a model in another layout, format or element type.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "impasto/convert.h"

namespace impasto::cli {

struct ConvertArguments {
  std::string model, output;
  ConvertOptions options;
  bool quiet = false, json = false;
};

CLI::App* add_convert(CLI::App& app, ConvertArguments& arguments);

/// Returns the exit code 0; throws Error.
int convert(const ConvertArguments& arguments);

}  // namespace impasto::cli
