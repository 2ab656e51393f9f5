// What IP-Adapters see of a picture: CLIP's vision transformer on its own.
#pragma once

#include <memory>
#include <vector>

#include "models/clip_vision.h"
#include "weights/reader.h"

namespace impasto {

/// Class CLIPVisionModelWithProjection of transformers, read from image_encoder/config.json: OpenCLIP's ViT-H for most adapters, its ViT-bigG for
/// some of SDXL's. Immutable once built; safe for several threads.
class ImageEncoder {
 public:
  /// Throws bad_file, unsupported.
  static ClipVisionConfig parse(const JsonObject& config);

  /// Throws bad_file, naming what is missing or has another shape.
  ImageEncoder(const ClipVisionConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);

  const ClipVisionConfig& config() const { return vision_.config(); }

  /// `pixels`: as ClipVision takes them. The whole picture as a vector, [1, projection_size].
  Tensor embed(const std::vector<float>& pixels) const { return vision_.embed(pixels); }
  /// What the last layer but one makes of it and its patches, [1, patches + 1, hidden_size].
  Tensor penultimate_states(const std::vector<float>& pixels) const { return vision_.penultimate_states(pixels); }

 private:
  std::shared_ptr<const WeightReader> weights_;  // packed layers may point into it
  ClipVision vision_;
};

}  // namespace impasto
