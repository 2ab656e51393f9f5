// The list of backends.
#pragma once

#include <string>

#include "backend/backend.h"

namespace impasto {

/// `device`: "cpu", or "auto" for the best one that this build and this machine have. `arithmetic`: float32, or bfloat16 for the factors of
/// products. The backend lives as long as the process. Throws unsupported, listing what there is.
Backend& backend_for(const std::string& device, DType arithmetic = DType::float32);

}  // namespace impasto
