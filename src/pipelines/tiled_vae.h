// The autoencoder on pictures too large for it: in squares that overlap, as diffusers' enable_vae_tiling does.
#pragma once

#include "models/vae.h"

namespace impasto {

/// latents [1, h, w, 4], already divided by scaling_factor, to pixels [1, 8h, 8w, 3]. Squares of the VAE's own sample size, a quarter of which
/// overlaps, are decoded one by one and faded into each other. Latents no larger than one square are decoded whole. Not the
/// picture of the whole decoder: its normalisations see a square at a time.
Tensor decode_in_tiles(const VaeDecoder& decoder, const VaeConfig& config, const Tensor& latents);

/// pixels [1, H, W, 3] to the posterior's moments [1, H/8, W/8, 8] in the same way.
Tensor encode_in_tiles(const VaeEncoder& encoder, const VaeConfig& config, const Tensor& pixels);

}  // namespace impasto
