// When numbers go wrong: an error that says why, never a black picture.
#pragma once

#include "ops/tensor.h"
#include "pipelines/networks.h"

namespace impasto {

/// Throws non_finite when the latents after step i hold NaN or infinity; only then looks through the weights for the tensor to blame.
void require_finite(const Tensor& latents, int step, const Networks& networks);
/// The same for what the VAE made of finite latents.
void require_finite_picture(const Tensor& pixels, const VaeConfig& vae, const Checkpoint& checkpoint);

}  // namespace impasto
