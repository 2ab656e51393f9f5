// ControlNets of a run, and the pictures that they follow.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

struct ControlArguments {
  std::vector<std::string> nets, images;      ///< folders and files, in the same order
  std::vector<double> scales, starts, stops;  ///< one for all, or one for each; none for the default
  bool guess_mode = false;                    ///< of all
};

/// Adds --controlnet and what belongs to it; `arguments` must outlive the parsing.
void add_control_options(CLI::App& app, ControlArguments& arguments);

/// Reads the pictures; `recorded` are the defaults, of a picture that is drawn again. Throws invalid_argument when the numbers of values do not
/// fit, and as read_image does.
std::vector<Control> read_controls(const ControlArguments& arguments, const std::vector<Control>& recorded);

}  // namespace impasto::cli
