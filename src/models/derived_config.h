// What a network's config.json would say, from its tensors: for files that carry no configs.
#pragma once

#include "core/json.h"
#include "weights/reader.h"

namespace impasto {

/// Configs in the form of diffusers and transformers, from names and shapes of tensors under our names. What shapes cannot tell is as in the
/// published models: 32 groups; 8 heads with a context of 768 (SD 1.x), else 64 columns a head (SD 2.x, SDXL); pictures of 512 pixels, or
/// 1024 in models of the XL kind. Throws bad_file when
/// tensors are missing that tell the size, unsupported when the shapes are none that were published: a config has to say more then.
JsonObject derived_unet_config(const WeightReader& weights);
/// Of a ControlNet, which is made of half a UNet: what shapes cannot tell is as in the config of that one. Throws bad_file for another number of
/// levels, too.
JsonObject derived_control_net_config(const WeightReader& weights, const JsonObject& unet);
/// The same for a UNet as published.
JsonObject derived_control_net_config(const WeightReader& weights);
/// `xl`: of SDXL, whose VAE differs from the others' in its scaling factor alone.
JsonObject derived_vae_config(const WeightReader& weights, bool xl = false);
/// With a projection, what SDXL's second text encoder has, all layers and OpenCLIP's activation. `open_clip`: OpenCLIP's activation (GELU) instead of
/// CLIP's, and without the last of its 24 layers, where it is there: SD 2.x takes what comes before that one.
JsonObject derived_text_encoder_config(const WeightReader& weights, bool open_clip);

}  // namespace impasto
