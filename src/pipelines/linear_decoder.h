// Latents to colours without the autoencoder: quick and rough, for previews.
#pragma once

#include <cstdint>
#include <vector>

#include "impasto/image.h"
#include "models/vae.h"

namespace impasto {

/// A colour for each latent, as the affine map of its channels that comes nearest to what the model's own decoder makes of smooth random latents, by
/// least squares. So it fits whatever autoencoder a checkpoint has; the fit costs one decoding of 32 x 32 latents.
class LinearDecoder {
 public:
  LinearDecoder(const VaeDecoder& decoder, const VaeConfig& config, Backend& backend);

  /// latents [1, h, w, latent_channels], not divided by scaling_factor, to a picture of w x h pixels.
  Image decode(const Tensor& latents) const;

 private:
  std::size_t channels_;
  std::vector<double> map_;  // [channels + 1, 3]: of each channel, and of 1
};

}  // namespace impasto
