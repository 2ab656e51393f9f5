// The list of backends.
#pragma once

#include <optional>
#include <string>

#include "backend/backend.h"

namespace impasto {

/// `device`: "cpu", "cuda" or "cuda:1" for one GPU of several, or "auto" for the best one that this build and this machine have. `arithmetic`:
/// float32 or, for the factors of products, bfloat16 on the CPU; float16 or bfloat16 on a GPU; left out: the first of these. The backend lives as
/// long as the process. Throws unsupported, listing what there is.
Backend& backend_for(const std::string& device, std::optional<DType> arithmetic = {});

/// What "auto" stands for: the environment variable IMPASTO_DEVICE, or the best device that computes in `arithmetic`.
std::string best_device(std::optional<DType> arithmetic = {});

/// A device's own name, such as "cpu" or "cuda:0" for "auto".
std::string device_name(const std::string& device, std::optional<DType> arithmetic = {});

}  // namespace impasto
