// IP-Adapters of a run, and the pictures that they show.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "impasto/pipeline.h"

namespace impasto::cli {

struct IpAdapterArguments {
  std::vector<std::string> files;           ///< "FILE" or "FILE:SCALE"
  std::vector<std::string> images;          ///< all of one adapter, or one of each
  std::vector<std::string> image_encoders;  ///< one for all, or one for each; none for those that lie where they are looked for
};

/// Adds --ip-adapter and what belongs to it; `arguments` must outlive the parsing.
void add_ip_adapter_options(CLI::App& app, IpAdapterArguments& arguments);

/// The files. Throws invalid_argument when the numbers of values do not fit, not_found for files that are not there.
std::vector<IpAdapterFile> ip_adapter_files(const IpAdapterArguments& arguments);

/// Reads the pictures; `recorded` has the scales of a picture that is drawn again, for files that come without one. Throws invalid_argument when the
/// numbers of values do not fit, and as read_image does.
std::vector<IpAdapterImage> read_ip_adapter_images(const IpAdapterArguments& arguments, const std::vector<IpAdapterImage>& recorded);

}  // namespace impasto::cli
