// The list of backends.
#pragma once

#include <string>

#include "backend/backend.h"

namespace impasto {

/// "cpu", or "auto" for the best one that this build and this machine have. The backend lives as long as the process.
/// Throws unsupported, listing what there is.
Backend& backend_for(const std::string& device);

}  // namespace impasto
