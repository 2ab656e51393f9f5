// A letter that says which network, then its config.json. What is accepted can be built: numbers are in their bounds and divide as layers need it.
#include "core/json.h"
#include "fuzz.h"
#include "models/clip_text.h"
#include "models/safety_checker.h"
#include "models/unet.h"
#include "models/vae.h"

namespace {
using namespace impasto;

void check_unet(const JsonObject& json) {
  const UNetConfig c = UNetConfig::parse(json);
  CHECK(!c.levels.empty() && c.levels.size() <= 8 && c.in_channels > 0 && c.out_channels > 0 && c.context_channels > 0 && c.groups > 0);
  for (const UNetLevel& level : c.levels) {
    CHECK(level.channels > 0 && level.channels % c.groups == 0 && level.heads > 0 && level.channels % level.heads == 0);
    CHECK(level.resnets >= 1 && level.resnets <= 64 && level.transformer_layers >= 1 && level.transformer_layers <= 64);
  }
}

void check_vae(const JsonObject& json) {
  const VaeConfig c = VaeConfig::parse(json);
  CHECK(!c.channels.empty() && c.channels.size() <= 8 && c.latent_channels > 0 && c.groups > 0 && c.resnets >= 1 && c.resnets <= 64);
  for (const std::int64_t channels : c.channels) CHECK(channels > 0 && channels % c.groups == 0);
  CHECK(c.scaling_factor > 0 && c.scale() >= 1 && c.scale() <= 128);
}

void check_text_encoder(const JsonObject& json) {
  const ClipTextConfig c = ClipTextConfig::parse(json);
  CHECK(c.layers >= 1 && c.layers <= 1024 && c.heads >= 1 && c.hidden_size % c.heads == 0 && c.vocabulary_size >= 1 && c.max_positions >= 3);
}

void check_safety_checker(const JsonObject& json) {
  const ClipVisionConfig c = SafetyCheckerConfig::parse(json).vision;
  CHECK(c.layers >= 1 && c.layers <= 1024 && c.heads >= 1 && c.hidden_size % c.heads == 0 && c.patch_size >= 1 && c.patches() >= 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::unsupported}, [&] {
    const JsonObject json(parse_json(fuzz::text(data + 1, size - 1), "config.json"), "config.json");
    switch (data[0]) {
      case 'u': return check_unet(json);
      case 'v': return check_vae(json);
      case 's': return check_safety_checker(json);
      default: return check_text_encoder(json);
    }
  });
  return 0;
}
