// Parts of a model that come from elsewhere.
#include <algorithm>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "impasto/hub.h"
#include "models/derived_config.h"
#include "models/tiny_vae.h"
#include "pipelines/found_model.h"
#include "weights/original_layout.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

/// config.json beside a file of weights, when it describes such a network.
std::optional<JsonObject> config_beside(const std::string& file, const std::string& class_name) {
  const std::string path = (fs::path(file).parent_path() / "config.json").string();
  if (!has_entry(path)) return std::nullopt;
  JsonObject config(read_json(path), path);
  const auto architectures = config.texts("architectures", {});
  if (config.text("_class_name", architectures.empty() ? "" : architectures.front()) != class_name) return std::nullopt;
  return config;
}

FoundNetwork open_folder_part(const std::string& path, const char* component) {
  if (has_entry((fs::path(path) / "config.json").string())) return open_component(path, component, "");
  const fs::path inside = fs::path(path) / component;
  if (has_entry((inside / "config.json").string())) return open_component(inside.string(), component, "");
  fail(ErrorKind::not_found, path, ": has neither config.json nor a folder ", component, " with one; ", component,
       " is a file of weights or a folder in the diffusers layout");
}

FoundNetwork tiny_vae_in(const std::shared_ptr<const WeightReader>& file, NameMap names) {
  FoundNetwork found{"AutoencoderTiny", config_beside(file->where(), "AutoencoderTiny"), renamed_weights(file, std::move(names))};
  if (!found.config) found.config = derived_tiny_vae_config(*found.weights);
  return found;
}

FoundNetwork open_part(const std::string& name, const char* component, const char* class_name, NameMap FileNetworks::*network) {
  const std::string path = find_model(name);
  std::error_code unseen;  // what cannot be looked at is told when it is opened
  if (fs::is_directory(path, unseen)) return open_folder_part(path, component);
  const std::shared_ptr<const WeightReader> file = open_weights_file(path);
  NameMap tiny = network == &FileNetworks::vae ? find_tiny_vae(*file) : NameMap();
  if (!tiny.empty()) return tiny_vae_in(file, std::move(tiny));
  const FileNetworks networks = find_networks(*file);
  if ((networks.*network).empty()) fail(ErrorKind::bad_file, path, ": holds no ", component, " of Stable Diffusion");
  const bool text = network != &FileNetworks::vae, open_clip = network == &FileNetworks::text_encoder && networks.open_clip;
  if (text) return text_encoder_in(file, networks.*network, open_clip, config_beside(path, class_name));
  FoundNetwork found{class_name, config_beside(path, class_name), renamed_weights(file, networks.*network)};
  found.derived = !found.config;
  if (found.derived) found.config = derived_vae_config(*found.weights);
  return found;
}

/// The text encoder that a model has to have for `part` to make sense.
FoundText& text_of(FoundModel& model, const std::string& name, const std::string& part) {
  const auto found = std::find_if(model.texts.begin(), model.texts.end(), [&](const FoundText& text) { return text.name == name; });
  if (found == model.texts.end()) fail(ErrorKind::unsupported, part, ": the model has no ", name, " that it could be instead of");
  return *found;
}

/// A folder with a tokenizer's files, or the one of a whole model that goes with the text encoder.
void replace_tokenizer(FoundText& text, const std::string& name) {
  const std::string folder = find_model(name);
  const bool second = text.name == kSecondTextEncoder;
  const fs::path own = fs::path(folder) / (second ? "tokenizer_2" : "tokenizer"), first = fs::path(folder) / "tokenizer";
  const auto holds_one = [](const fs::path& place) { return has_entry((place / "vocab.json").string()); };
  text.tokenizer_folder = holds_one(own) ? own.string() : holds_one(folder) || !holds_one(first) ? folder : first.string();
  if (second && !holds_one(own)) text.tokenizer_pad = std::string("!");  // OpenCLIP's; all else is the same in both
}

}  // namespace

FoundNetwork find_vae(const std::string& path) { return open_part(path, "vae", "AutoencoderKL", &FileNetworks::vae); }

FoundNetwork find_safety_checker(const std::string& name) {
  const std::string path = find_model(name);
  if (has_entry(path) && !fs::is_directory(path))
    fail(ErrorKind::bad_file, path, ": is a file; safety_checker is a folder in the diffusers layout, with config.json and weights");
  return open_folder_part(path, "safety_checker");
}

void replace_parts(FoundModel& model, const ModelParts& parts) {
  if (!parts.safety_checker.empty()) model.safety_checker = find_safety_checker(parts.safety_checker);
  if (!parts.vae.empty()) model.vae = find_vae(parts.vae);
  if (model.vae.derived && is_xl(model.unet)) model.vae.config = derived_vae_config(*model.vae.weights, /*xl=*/true);
  if (!parts.text_encoder.empty())
    text_of(model, "text_encoder", parts.text_encoder).network =
        open_part(parts.text_encoder, "text_encoder", "CLIPTextModel", &FileNetworks::text_encoder);
  if (!parts.text_encoder_2.empty())
    text_of(model, kSecondTextEncoder, parts.text_encoder_2).network =
        open_part(parts.text_encoder_2, kSecondTextEncoder, "CLIPTextModelWithProjection", &FileNetworks::text_encoder_2);
  if (!parts.tokenizer.empty())
    for (FoundText& text : model.texts) replace_tokenizer(text, parts.tokenizer);
  if (parts.prediction_type.empty()) return;
  if (parts.prediction_type != "epsilon" && parts.prediction_type != "v_prediction" && parts.prediction_type != "sample")
    fail(ErrorKind::invalid_argument, "prediction_type is \"", parts.prediction_type, "\", allowed are epsilon, v_prediction and sample");
  model.scheduler = model.scheduler->with("prediction_type", parts.prediction_type);
}

}  // namespace impasto
