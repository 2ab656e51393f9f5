#include "models/image_encoder.h"

#include "core/fail.h"

namespace impasto {
namespace {

WeightScope vision_scope(const WeightReader& weights, Backend& backend) {
  const WeightScope inner(weights, backend, "vision_model"), root(weights, backend);
  return (inner / "embeddings").has("class_embedding") || !(root / "embeddings").has("class_embedding") ? inner : root;
}

}  // namespace

ClipVisionConfig ImageEncoder::parse(const JsonObject& config) {
  const std::string expected = "CLIPVisionModelWithProjection";
  const auto architectures = config.texts("architectures", {expected});
  if (!architectures.empty() && architectures.front() != expected && architectures.front() != "CLIPModel")
    fail(ErrorKind::unsupported, config.where(), ": class ", architectures.front(), " is no image encoder of an IP-Adapter (", expected, ")");
  const std::int64_t projection = config.integer("projection_dim", 512, 1, 1 << 16);
  if (!config.has("vision_config")) return ClipVisionConfig::parse(config, projection);
  return ClipVisionConfig::parse({config.value().at("vision_config"), config.where() + ": vision_config"}, projection);  // of a whole CLIP
}

ImageEncoder::ImageEncoder(const ClipVisionConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : weights_(std::move(weights)), vision_(vision_scope(*weights_, backend), WeightScope(*weights_, backend, "visual_projection"), c) {}

}  // namespace impasto
