// Pictures as prompts: IP-Adapter (Ye et al., 2023).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "models/image_projection.h"
#include "models/unet.h"

namespace impasto {

/// What it adds to each cross-attention of a UNet: keys and values of a picture, attended to beside the text's by a softmax of their own. Immutable
/// once built; safe for several threads.
class IpAdapter {
 public:
  /// A file of the published layout: "image_proj.*", "ip_adapter.N.to_k_ip.weight" and "...to_v_ip.weight". Throws bad_file for one that was made
  /// for another UNet, naming what differs, and as ImageProjectionConfig::of().
  IpAdapter(const UNetConfig& unet, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~IpAdapter();

  const ImageProjectionConfig& projection() const { return projection_; }

  /// Of one picture, as the image encoder sees it ([1, c], or [1, t, c] where the projection takes states; on any backend): [tokens,
  /// context_channels].
  Tensor tokens(const Tensor& seen) const;
  /// What cross-attentions make of tokens [t, context_channels]: one entry each, in the order of UNet::Conditioning. `scales`, as many or one
  /// for all: how much it counts; an entry is empty where that is 0.
  std::vector<nn::PictureKeyValue> attend(const Tensor& tokens, std::span<const float> scales) const;

 private:
  struct Layers;

  ImageProjectionConfig projection_;
  std::shared_ptr<const WeightReader> weights_;  // packed layers may point into it
  std::unique_ptr<const Layers> layers_;
};

}  // namespace impasto
