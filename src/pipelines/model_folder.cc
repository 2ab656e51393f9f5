// The diffusers layout: model_index.json, and a folder for each component.
#include <algorithm>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "hub/needed_files.h"
#include "hub/pipeline_class.h"
#include "models/registry.h"
#include "models/unet.h"
#include "pipelines/found_model.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

JsonObject read_object(const fs::path& path) {
  const std::string file = path.string();
  return {read_json(file), file};
}

/// Single files in a folder that is no model itself, for the message: people name the folder that they downloaded into.
std::string files_in(const std::string& folder) {
  for (const char* adapter : adapter_files())
    if (has_entry((fs::path(folder) / adapter).string())) return concat("; it holds an adapter (", adapter, "), which goes with a model");
  std::string names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end && names.size() < 200; entry.increment(error)) {
    const fs::path& path = entry->path();
    for (const char* ending : {".safetensors", ".ckpt", ".gguf"})
      if (path.extension() == ending) names += (names.empty() ? "" : ", ") + path.string();
  }
  return names.empty() ? "" : "; did you mean " + names + "?";
}

JsonObject read_index(const std::string& path) {
  if (!has_entry((fs::path(path) / "model_index.json").string()))
    fail(ErrorKind::not_found, path, ": no model_index.json in it; a model is a folder in the diffusers layout, or a single file", files_in(path));
  JsonObject index = read_object(fs::path(path) / "model_index.json");
  pipeline_class(index);  // refuses those of other models
  return index;
}

/// The class that model_index.json gives a component: ["diffusers", "UNet2DConditionModel"]; empty for null or [null, null].
std::string class_of(const JsonObject& index, const char* component) {
  if (!index.has(component)) return {};
  const Json& entry = index.value().at(component);
  if (!entry.is_array() || entry.size() != 2 || !(entry[1].is_null() || entry[1].is_string()))
    fail(ErrorKind::bad_file, index.where(), ": \"", component, "\" should be [library, class], found ", printable(entry.dump()));
  return entry[1].is_null() ? std::string() : entry[1].get<std::string>();
}

/// Whether the model has the component, or its place in the index is empty.
bool has_component(const JsonObject& index, const char* component) { return !class_of(index, component).empty(); }

FoundNetwork find_network(const std::string& path, const JsonObject& index, const char* component, bool replaced) {
  const std::string class_name = class_of(index, component);
  if (replaced) return {};
  if (class_name.empty()) fail(ErrorKind::bad_file, index.where(), ": component \"", component, "\" is missing");
  return open_component((fs::path(path) / component).string(), component, class_name);
}

/// Other classes are left alone: drawing needs none.
bool is_safety_checker(const std::string& class_name) {
  const auto& models = supported_models();
  return std::any_of(models.begin(), models.end(),
                     [&](const ModelEntry& m) { return m.component == "safety_checker" && m.class_name == class_name; });
}

/// SDXL has two of them, its refiner the second alone.
std::vector<FoundText> find_texts(const std::string& path, const JsonObject& index, const ModelParts& parts) {
  std::vector<FoundText> texts;
  const bool second = has_component(index, kSecondTextEncoder);
  const auto add = [&](const char* component, const char* tokenizer, bool replaced) {
    texts.push_back({component, find_network(path, index, component, replaced), (fs::path(path) / tokenizer).string(), ""});
  };
  if (!second || has_component(index, "text_encoder")) add("text_encoder", "tokenizer", !parts.text_encoder.empty());
  if (second) add(kSecondTextEncoder, "tokenizer_2", !parts.text_encoder_2.empty());
  return texts;
}

/// `place` names the class, for messages.
const ModelEntry& entry_of(const std::string& component, const std::string& class_name, const std::string& place) {
  try {
    return model_entry(component, class_name);
  } catch (const Error& error) {
    fail(error.kind(), place, ": ", error.what());
  }
}

}  // namespace

FoundNetwork open_component(const std::string& folder, const std::string& component, const std::string& class_name) {
  FoundNetwork network{class_name, read_object(fs::path(folder) / "config.json"), nullptr};
  const std::string place = class_name.empty() ? network.config->where() : (fs::path(folder).parent_path() / "model_index.json").string();
  if (network.class_name.empty()) {
    const auto architectures = network.config->texts("architectures", {});
    const std::string usual = component == "text_encoder"       ? "CLIPTextModel"
                              : component == kSecondTextEncoder ? "CLIPTextModelWithProjection"
                              : component == "safety_checker"   ? "StableDiffusionSafetyChecker"
                                                                : "";
    network.class_name = network.config->text("_class_name", architectures.empty() ? usual : architectures.front());
  }
  if (component.starts_with("text_encoder")) network.config = network.config->with("architectures", Json::array({network.class_name}));
  network.weights = open_weights(folder, entry_of(component, network.class_name, place).weights_stem);
  return network;
}

bool is_xl(const FoundNetwork& unet) { return UNetConfig::parse(*unet.config).added_channels > 0; }

JsonObject amended_scheduler(const JsonObject& stored, const std::string& class_name, bool xl) {
  const std::string name = stored.text("_class_name", class_name);
  if (xl) return stored.with("_class_name", name);
  const bool clips = stored.boolean("clip_sample", name == "DDIMScheduler" || name == "DDPMScheduler");
  const JsonObject config = stored.with("_class_name", name).with("steps_offset", 1);
  return clips ? config.with("clip_sample", false) : config;
}

namespace {

/// Nothing where its weights are not there: pictures can be drawn without, and who asks for it is told.
FoundNetwork checker_in(const std::string& folder, const std::string& class_name) {
  try {
    return open_component(folder, "safety_checker", class_name);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return {};
  }
}

}  // namespace

FoundModel find_in_folder(const std::string& path, const ModelParts& parts) {
  const JsonObject index = read_index(path);
  FoundModel model;
  model.format = "diffusers folder";
  model.pipeline_class = pipeline_class(index);
  model.texts = find_texts(path, index, parts);
  model.unet = find_network(path, index, "unet", /*replaced=*/false);
  model.vae = find_network(path, index, "vae", !parts.vae.empty());
  model.scheduler =
      amended_scheduler(read_object(fs::path(path) / "scheduler" / "scheduler_config.json"), class_of(index, "scheduler"), is_xl(model.unet));
  model.zeros_for_no_prompt = index.boolean("force_zeros_for_empty_prompt", model.texts.size() > 1);
  model.has_safety_checker = !class_of(index, "safety_checker").empty();
  const std::string checker = (fs::path(path) / "safety_checker").string();
  if (model.has_safety_checker && parts.safety_checker.empty() && has_entry(checker + "/config.json") &&
      is_safety_checker(class_of(index, "safety_checker")))
    model.safety_checker = checker_in(checker, class_of(index, "safety_checker"));
  return model;
}

}  // namespace impasto
