#include "models/clip_text.h"

namespace impasto {

ClipTextConfig ClipTextConfig::parse(const JsonObject& c) {
  ClipTextConfig out;
  static_cast<ClipLayerConfig&>(out) = ClipLayerConfig::parse(c, {});
  out.vocabulary_size = c.integer("vocab_size", 49408, 1, 1 << 20);
  out.max_positions = c.integer("max_position_embeddings", 77, 3, 1 << 20);
  out.layers = static_cast<int>(c.integer("num_hidden_layers", 12, 1, 1024));
  const auto classes = c.texts("architectures", {});
  if (!classes.empty() && classes.front() == "CLIPTextModelWithProjection") out.projection_size = c.integer("projection_dim", 512, 1, 1 << 20);
  return out;
}

}  // namespace impasto
