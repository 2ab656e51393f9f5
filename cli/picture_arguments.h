// The options of `impasto generate` that are about a picture to start from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

enum class Task { text_to_image, image_to_image, inpaint };

struct PictureArguments {
  std::string image, mask;                              ///< files
  std::string settings;                                 ///< a picture whose settings are taken over
  std::string recorded_model = {}, recorded_hash = {};  ///< what those say of the model; empty: nothing
  std::optional<double> strength;
  std::vector<const CLI::Option*> need_image, need_mask;  ///< options that mean nothing without
};

/// Adds the options; those that are fields of the library's go into `options`. Both must outlive the parsing.
void add_picture_options(CLI::App& app, PictureArguments& arguments, InpaintOptions& options);

/// Throws invalid_argument for an option without what it is about.
Task task_of(const PictureArguments& arguments, const InpaintOptions& options);

/// Reads the files and settles strength. Throws as read_image does.
void read_pictures(const PictureArguments& arguments, Task task, InpaintOptions& options);

/// "left=128,top=64": sides are left, top, right, bottom and all. Throws CLI::ValidationError.
Margins parse_margins(const std::string& text);

}  // namespace impasto::cli
