#include "core/fail.h"
#include "models/clip_vision.h"
#include "models/safety_checker.h"

namespace impasto {

ClipVisionConfig ClipVisionConfig::parse(const JsonObject& c, std::int64_t projection_size) {
  ClipVisionConfig out;
  static_cast<ClipLayerConfig&>(out) = ClipLayerConfig::parse(c, {.hidden_size = 768, .intermediate_size = 3072, .heads = 12});
  out.layers = static_cast<int>(c.integer("num_hidden_layers", 12, 1, 1024));
  out.image_size = c.integer("image_size", 224, 1, 4096);
  out.patch_size = c.integer("patch_size", 32, 1, 4096);
  if (out.patch_size > out.image_size)  // as it may where only one of the two is said
    fail(ErrorKind::bad_file, c.where(), ": \"patch_size\" is ", out.patch_size, ", more than \"image_size\", ", out.image_size);
  out.projection_size = projection_size;
  if (c.integer("num_channels", 3, 1, 1024) != 3) fail(ErrorKind::unsupported, c.where(), ": \"num_channels\" is not 3");
  return out;
}

SafetyCheckerConfig SafetyCheckerConfig::parse(const JsonObject& config) {
  const std::int64_t projection = config.integer("projection_dim", 512, 1, 1 << 16);
  if (!config.has("vision_config") || !config.value().at("vision_config").is_object())
    fail(ErrorKind::bad_file, config.where(), ": \"vision_config\" is missing");
  return {ClipVisionConfig::parse({config.value().at("vision_config"), config.where() + ": vision_config"}, projection)};
}

}  // namespace impasto
