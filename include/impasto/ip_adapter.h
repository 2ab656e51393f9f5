// IP-Adapters: small files that let a checkpoint take pictures as prompts (Ye et al., 2023).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "impasto/api.h"

namespace impasto {

/// A file to attach to a pipeline, for Pipeline::with_ip_adapters.
struct IpAdapterFile {
  /// Of the published layout, safetensors or torch.save: IP-Adapter, Plus and Full Face. Those of FaceID are refused, since they take what a face
  /// recognition network makes of a face.
  std::string path;
  /// A folder in the diffusers layout with the network that looks at pictures (class CLIPVisionModelWithProjection), or a whole model that has one.
  /// Empty: the first that fits of "image_encoder" beside the file, "../models/image_encoder" from there (as h94/IP-Adapter has it), and
  /// "image_encoder" in the checkpoint. Without any, pictures have to come as embeddings.
  std::string image_encoder = {};
};

/// What a file holds.
struct IpAdapterInfo {
  std::string kind;                      ///< "IP-Adapter", "IP-Adapter Plus", "IP-Adapter Full Face"
  std::int64_t cross_attentions = 0;     ///< that it is for: 16 in SD 1.x and 2.x, 70 in SDXL
  std::int64_t cross_attention_dim = 0;  ///< of the UNet that it is for
  std::int64_t image_channels = 0;       ///< of what its image encoder has to give
  std::int64_t parameters = 0;
};

/// Reads the headers only. Nothing where the file is no IP-Adapter. Throws not_found, io, bad_file and unsupported (naming what it is) for files that
/// cannot be read.
IMPASTO_API std::optional<IpAdapterInfo> inspect_ip_adapter(const std::string& path);

}  // namespace impasto
