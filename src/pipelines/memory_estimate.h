// What a run will need, from the shapes alone.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "models/unet.h"
#include "models/vae.h"

namespace impasto {

/// Bytes of activations at the peak of a stage; weights are not counted.
struct ActivationMemory {
  std::int64_t unet, vae;
  std::int64_t pictures;  ///< on the host, beside either

  std::int64_t on_one_device() const;
};

/// Of drawing `images` pictures of this size in pixels, guided or not. `tiled`: the VAE works in squares. The types are those of the networks'
/// features.
ActivationMemory activation_memory(const UNetConfig& unet, const VaeConfig& vae, std::int64_t height, std::int64_t width, std::int64_t images,
                                   bool guided, bool tiled = false, DType unet_type = DType::float32, DType vae_type = DType::float32);

}  // namespace impasto
