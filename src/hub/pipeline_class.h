// Which of diffusers' pipelines can be drawn with, so that downloading refuses the others as loading does.
#pragma once

#include <string>

#include "core/json.h"

namespace impasto {

/// The class that model_index.json names, as that of the same task without its ControlNets, which are not part of a pipeline that is loaded
/// (Pipeline::with_controlnets). Throws unsupported for the classes of other models.
std::string pipeline_class(const JsonObject& index);

}  // namespace impasto
