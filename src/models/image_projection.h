// From what an image encoder sees in a picture to what cross-attentions take: a few tokens, as wide as a text's.
#pragma once

#include <cstdint>
#include <memory>

#include "nn/layers.h"

namespace impasto {

/// Read from the shapes of an IP-Adapter's tensors "image_proj.*".
struct ImageProjectionConfig {
  enum class Kind {
    plain,  ///< the picture's embedding through a linear layer (class ImageProjection of diffusers)
    full,   ///< every state through two ("full face"; IPAdapterFullImageProjection)
    plus,   ///< learned queries that attend to the states, a perceiver's resampler (IPAdapterPlusImageProjection; Alayrac et al., 2022)
  };
  Kind kind = Kind::plain;
  std::int64_t picture_channels = 0;  ///< that it takes
  std::int64_t context_channels = 0;  ///< that it gives
  // Of `plus`:
  std::int64_t queries = 0, width = 0, hidden = 0;
  int depth = 0, heads = 0;

  /// Whether it takes ImageEncoder::penultimate_states(), not embed().
  bool takes_states() const { return kind != Kind::plain; }

  /// Throws bad_file where the file holds none, unsupported for those of faces (FaceID), which take what another network makes of a face.
  static ImageProjectionConfig of(const WeightReader& weights);
};

/// Immutable once built; safe for several threads.
class ImageProjection {
 public:
  virtual ~ImageProjection() = default;
  /// [1, picture_channels], or of kinds that take states [1, t, picture_channels], to [tokens, context_channels].
  virtual Tensor operator()(const Tensor& seen) const = 0;

  /// `w` is the scope "image_proj". Throws bad_file, naming what is missing or has another shape.
  static std::unique_ptr<const ImageProjection> make(const WeightScope& w, const ImageProjectionConfig& config);
};

}  // namespace impasto
