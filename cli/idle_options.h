// Options that were given and do nothing.
#pragma once

#include "cli/generate_arguments.h"
#include "cli/output_path.h"
#include "cli/run_report.h"

namespace impasto::cli {

/// Throws invalid_argument for an option that means nothing without another one.
void require_partners(const GenerateArguments& arguments);

/// Warns of options that this model, scheduler or picture format does not look at: the picture is what was asked for but for those.
void warn_of_idle_options(const GenerateArguments& arguments, const Request& request, const ModelInfo& model, const OutputPath& output);

}  // namespace impasto::cli
