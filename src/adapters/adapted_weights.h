// A network's weights with adapters merged into them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/lora_file.h"

namespace impasto {

/// A file and how much of it.
struct AppliedLora {
  std::shared_ptr<const LoraFile> file;
  float scale = 1;
};

/// `base` with what the adapters change in float32, everything else as it is; `base` is kept. Files that are scaled by 0, or do not touch this
/// network, change nothing. Throws bad_file naming tensors and weights when modules do not fit or hold NaN, invalid_argument when a scale is too
/// large, out_of_memory before taking memory that is not there, cancelled.
std::shared_ptr<const WeightReader> adapted_weights(std::shared_ptr<const WeightReader> base, AdaptedNetwork network,
                                                    const std::vector<AppliedLora>& adapters);

/// Modules of the file that name no weight of the network: "unet: down_blocks_0_...".
std::vector<std::string> unmatched_modules(const LoraFile& file, const WeightReader& base, AdaptedNetwork network);

}  // namespace impasto
