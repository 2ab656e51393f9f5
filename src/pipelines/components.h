// The parts of loaded networks as callers get them.
#pragma once

#include <memory>

#include "impasto/components.h"
#include "pipelines/networks.h"

namespace impasto {

/// Each part keeps its network, the VAE's all of `networks`.
Components components_of(const std::shared_ptr<const Networks>& networks);

}  // namespace impasto
