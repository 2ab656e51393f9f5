// What goes with a model and is named on the Hub: brought into the cache, where the library looks for it.
#pragma once

#include <string>
#include <vector>

#include "cli/download.h"

namespace impasto::cli {

/// For names on the Hub what ready_model() does; nothing for others. `with` is the model's own choice, whose `verify` counts.
void ready_part(const std::string& name, const ModelChoice& with, bool quiet);

/// All networks that stand in for a model's own.
void ready_parts(const ModelParts& parts, const ModelChoice& with, bool quiet);

/// IP-Adapters, and where no encoder is named those that go with them in h94/IP-Adapter's layout: "image_encoder" beside the file, or
/// models/image_encoder for those with vit-h in their names. What has none there is left to the library.
void ready_ip_adapters(const std::vector<IpAdapterFile>& adapters, const ModelChoice& with, bool quiet);

}  // namespace impasto::cli
