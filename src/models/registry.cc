#include "models/registry.h"

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {

const std::vector<ModelEntry>& supported_models() {
  static const std::vector<ModelEntry> models = {
      {"text_encoder", "CLIPTextModel", "model"},
      {"text_encoder_2", "CLIPTextModelWithProjection", "model"},
      {"unet", "UNet2DConditionModel", "diffusion_pytorch_model"},
      {"vae", "AutoencoderKL", "diffusion_pytorch_model"},
      {"vae", "AutoencoderTiny", "diffusion_pytorch_model"},
      {"image_encoder", "CLIPVisionModelWithProjection", "model"},
      {"safety_checker", "StableDiffusionSafetyChecker", "model"},
  };
  return models;
}

const ModelEntry& model_entry(const std::string& component, const std::string& class_name) {
  std::string known;
  for (const ModelEntry& entry : supported_models()) {
    if (entry.component != component) continue;
    if (entry.class_name == class_name) return entry;
    known += (known.empty() ? "" : ", ") + entry.class_name;
  }
  fail(ErrorKind::unsupported, "component \"", component, "\" has class ", printable(class_name), "; supported: ", known.empty() ? "none" : known);
}

}  // namespace impasto
