// What a run will need, from the shapes alone.
#pragma once

#include <cstdint>

#include "models/unet.h"
#include "models/vae.h"

namespace impasto {

/// Bytes of activations at the peak of drawing `images` pictures of this size in pixels, guided or not; weights not counted. `tiled`: the VAE works
/// in squares.
std::int64_t activation_memory(const UNetConfig& unet, const VaeConfig& vae, std::int64_t height, std::int64_t width, std::int64_t images,
                               bool guided, bool tiled = false);

}  // namespace impasto
