// The diffusers layout: model_index.json, and a folder for each component.
#include <algorithm>
#include <filesystem>

#include "core/fail.h"
#include "core/file.h"
#include "core/quote.h"
#include "models/registry.h"
#include "pipelines/found_model.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr const char* kPipelineClasses[] = {"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
                                            "StableDiffusionInstructPix2PixPipeline"};

/// The class of the same task without its ControlNets, which are not part of a pipeline that is loaded (Pipeline::with_controlnets).
std::string without_control_nets(std::string name) {
  const std::string part = "ControlNet";
  if (const std::size_t at = name.find(part); at != name.npos) name.erase(at, part.size());
  return name;
}

JsonObject read_object(const fs::path& path) {
  const std::string file = path.string();
  return {read_json(file), file};
}

/// Single files in a folder that is no model itself, for the message: people name the folder that they downloaded into.
std::string files_in(const std::string& folder) {
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
  const std::string name = index.text("_class_name", "StableDiffusionPipeline");
  if (std::find(std::begin(kPipelineClasses), std::end(kPipelineClasses), without_control_nets(name)) == std::end(kPipelineClasses))
    fail(ErrorKind::unsupported, index.where(), ": pipeline class ", printable(name),
         " is not supported; supported is Stable Diffusion 1.x and 2.x (", kPipelineClasses[0], ")");
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

}  // namespace

FoundNetwork open_component(const std::string& folder, const std::string& component, const std::string& class_name) {
  FoundNetwork network{class_name, read_object(fs::path(folder) / "config.json"), nullptr};
  if (network.class_name.empty())
    network.class_name = network.config->text("_class_name", component == "text_encoder"     ? "CLIPTextModel"
                                                             : component == "safety_checker" ? "StableDiffusionSafetyChecker"
                                                                                             : "");
  network.weights = open_weights(folder, model_entry(component, network.class_name).weights_stem);
  return network;
}

JsonObject amended_scheduler(const JsonObject& stored, const std::string& class_name) {
  const std::string name = stored.text("_class_name", class_name);
  const bool clips = stored.boolean("clip_sample", name == "DDIMScheduler" || name == "DDPMScheduler");
  const JsonObject config = stored.with("_class_name", name).with("steps_offset", 1);
  return clips ? config.with("clip_sample", false) : config;
}

FoundModel find_in_folder(const std::string& path, const ModelParts& parts) {
  const JsonObject index = read_index(path);
  FoundModel model;
  model.format = "diffusers folder";
  model.pipeline_class = without_control_nets(index.text("_class_name", kPipelineClasses[0]));
  model.text_encoder = find_network(path, index, "text_encoder", !parts.text_encoder.empty());
  model.unet = find_network(path, index, "unet", /*replaced=*/false);
  model.vae = find_network(path, index, "vae", !parts.vae.empty());
  model.scheduler = amended_scheduler(read_object(fs::path(path) / "scheduler" / "scheduler_config.json"), class_of(index, "scheduler"));
  model.tokenizer_folder = (fs::path(path) / "tokenizer").string();
  model.has_safety_checker = !class_of(index, "safety_checker").empty();
  const std::string checker = (fs::path(path) / "safety_checker").string();
  if (model.has_safety_checker && parts.safety_checker.empty() && has_entry(checker + "/config.json") &&
      is_safety_checker(class_of(index, "safety_checker")))
    model.safety_checker = open_component(checker, "safety_checker", class_of(index, "safety_checker"));
  return model;
}

}  // namespace impasto
