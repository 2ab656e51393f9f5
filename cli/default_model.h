// The checkpoint that is used when none is named.
#pragma once

#include <string>

namespace impasto::cli {

/// `named` if it is not empty; else $IMPASTO_MODEL; else the built-in model, installed beside the command (share/impasto/models/sketchbook)
/// or in the source tree around the build (models/sketchbook). Throws invalid_argument, saying how to name one, when there is none.
std::string model_or_default(const std::string& named);

}  // namespace impasto::cli
