// `impasto generate`: from the arguments to pictures on disk.
#pragma once

#include "cli/generate_arguments.h"

namespace impasto::cli {

/// Draws and saves. Returns the exit code 0; throws Error for everything else.
int generate(const GenerateArguments& arguments);

}  // namespace impasto::cli
