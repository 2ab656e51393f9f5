// CLIP's vision transformer: what a picture shows, as a vector.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/clip_layer.h"

namespace impasto {

/// Read from a config.json (class CLIPVisionModelWithProjection), or from the "vision_config" of a CLIPModel's or a safety checker's.
struct ClipVisionConfig : ClipLayerConfig {
  int layers = 12;
  std::int64_t image_size = 224, patch_size = 32, projection_size = 512;

  std::int64_t patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  std::int64_t patch_values() const { return 3 * patch_size * patch_size; }

  /// `projection_size`: of the config around it. Throws bad_file, unsupported.
  static ClipVisionConfig parse(const JsonObject& config, std::int64_t projection_size);
};

/// Dosovitskiy et al., 2020; Radford et al., 2021. Immutable once built; safe for several threads.
class ClipVision {
 public:
  /// `w` holds "embeddings", "encoder" and the norms, `projection` a weight [projection_size, hidden_size].
  ClipVision(const WeightScope& w, const WeightScope& projection, const ClipVisionConfig& config);

  const ClipVisionConfig& config() const { return config_; }

  /// A picture [3, image_size, image_size], normalised as CLIP's are, to [1, projection_size].
  Tensor embed(const std::vector<float>& pixels) const;
  /// The same to what the last layer but one makes of it and its patches, [1, patches + 1, hidden_size].
  Tensor penultimate_states(const std::vector<float>& pixels) const { return states(pixels, layers_.size() - 1); }

 private:
  /// After the first `layers` layers.
  Tensor states(const std::vector<float>& pixels, std::size_t layers) const;

  ClipVisionConfig config_;
  std::unique_ptr<PackedWeights> patch_embedding_;  // a product: its convolution's steps are as wide as its kernel
  Tensor class_embedding_, position_embedding_;
  nn::LayerNorm before_;
  std::vector<ClipLayer> layers_;
  nn::LayerNorm after_;
  nn::Linear projection_;
};

}  // namespace impasto
