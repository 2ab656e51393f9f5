#include "pipelines/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/fail.h"
#include "core/guard.h"
#include "core/memory.h"
#include "impasto/hub.h"
#include "models/registry.h"
#include "schedulers/scheduler.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

constexpr const char* kPipelineClasses[] = {"StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"};

JsonObject read_object(const fs::path& path) {
  const std::string file = path.string();
  return {read_json(file), file};
}

JsonObject read_index(const std::string& path) {
  if (!fs::exists(path)) fail(ErrorKind::not_found, path, ": no such folder");
  if (!fs::is_directory(path))
    fail(ErrorKind::unsupported, path, ": not a folder; a model is a folder in the diffusers layout, with model_index.json in it");
  if (!fs::exists(fs::path(path) / "model_index.json"))
    fail(ErrorKind::not_found, path, ": no model_index.json in it; a model is a folder in the diffusers layout");
  JsonObject index = read_object(fs::path(path) / "model_index.json");
  const std::string name = index.text("_class_name", "StableDiffusionPipeline");
  if (std::find(std::begin(kPipelineClasses), std::end(kPipelineClasses), name) == std::end(kPipelineClasses))
    fail(ErrorKind::unsupported, index.where(), ": pipeline class ", name, " is not supported; supported is Stable Diffusion 1.x and 2.x (",
         kPipelineClasses[0], ")");
  return index;
}

/// The class that model_index.json gives a component: ["diffusers", "UNet2DConditionModel"]; empty for null or [null, null].
std::string class_of(const JsonObject& index, const char* component) {
  if (!index.has(component)) return {};
  const Json& entry = index.value().at(component);
  if (!entry.is_array() || entry.size() != 2 || !(entry[1].is_null() || entry[1].is_string()))
    fail(ErrorKind::bad_file, index.where(), ": \"", component, "\" should be [library, class], found ", entry.dump());
  return entry[1].is_null() ? std::string() : entry[1].get<std::string>();
}

ComponentInfo describe(const std::string& name, const std::string& class_name, const WeightReader& weights) {
  ComponentInfo info;
  info.name = name;
  info.class_name = class_name;
  std::set<std::string> dtypes;
  for (const std::string& tensor : weights.names()) {
    const TensorInfo stored = weights.describe(tensor).value();
    if (!is_floating_point(stored.dtype)) continue;  // position_ids and other buffers
    info.parameters += stored.shape.count();
    info.bytes += static_cast<std::int64_t>(stored.bytes());
    dtypes.insert(to_string(stored.dtype));
  }
  info.dtypes.assign(dtypes.begin(), dtypes.end());
  return info;
}

/// The scheduler's config as diffusers' Stable Diffusion pipelines amend it when they load: some early checkpoints leave out that
/// timesteps start at 1 and that latents are not clipped, which DDIM and DDPM do unless told not to.
JsonObject read_scheduler(const fs::path& path, const std::string& index_class) {
  const JsonObject stored = read_object(path);
  const std::string name = stored.text("_class_name", index_class);
  const bool clips = stored.boolean("clip_sample", name == "DDIMScheduler" || name == "DDPMScheduler");
  const JsonObject config = stored.with("_class_name", name).with("steps_offset", 1);
  return clips ? config.with("clip_sample", false) : config;
}

struct Component {
  JsonObject config;
  std::shared_ptr<const WeightReader> weights;
};

Component open_component(const fs::path& root, const JsonObject& index, const char* name, ModelInfo& info) {
  const std::string class_name = class_of(index, name);
  if (class_name.empty()) fail(ErrorKind::bad_file, index.where(), ": component \"", name, "\" is missing");
  const ModelEntry& entry = model_entry(name, class_name);
  Component c{read_object(root / name / "config.json"), open_weights((root / name).string(), entry.weights_stem)};
  info.components.push_back(describe(name, class_name, *c.weights));
  return c;
}

/// Latents, the mask, and the latents of the picture around it.
std::int64_t inpainting_channels(const VaeConfig& vae) { return 2 * vae.latent_channels + 1; }

void check_agreement(const Checkpoint& c) {
  const std::string& path = c.info.path;
  if (c.text_encoder.hidden_size != c.unet.context_channels)
    fail(ErrorKind::bad_file, path, ": text_encoder has \"hidden_size\" ", c.text_encoder.hidden_size, ", but unet expects \"cross_attention_dim\" ",
         c.unet.context_channels);
  if (c.unet.in_channels != c.vae.latent_channels && c.unet.in_channels != inpainting_channels(c.vae))
    fail(ErrorKind::bad_file, path, ": unet takes ", c.unet.in_channels, " channels, but the vae has ", c.vae.latent_channels,
         " latent channels (an inpainting model takes ", inpainting_channels(c.vae), ")");
  if (c.unet.out_channels != c.vae.latent_channels || c.vae.out_channels != 3)
    fail(ErrorKind::bad_file, path, ": unet gives ", c.unet.out_channels, " channels for ", c.vae.latent_channels,
         " latent channels, and the vae gives ", c.vae.out_channels, " colours instead of 3");
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& model) {
  const std::string path = find_model(model);
  const fs::path root(path);
  const JsonObject index = read_index(path);
  ModelInfo info;
  info.path = path;
  info.pipeline_class = index.text("_class_name", kPipelineClasses[0]);
  const Component text = open_component(root, index, "text_encoder", info);
  const Component unet = open_component(root, index, "unet", info);
  const Component vae = open_component(root, index, "vae", info);

  Checkpoint c{.info = std::move(info),
               .tokenizer_folder = (root / "tokenizer").string(),
               .text_encoder = ClipTextConfig::parse(text.config),
               .unet = UNetConfig::parse(unet.config),
               .vae = VaeConfig::parse(vae.config),
               .scheduler = read_scheduler(root / "scheduler" / "scheduler_config.json", class_of(index, "scheduler")),
               .text_encoder_weights = text.weights,
               .unet_weights = unet.weights,
               .vae_weights = vae.weights,
               .has_safety_checker = !class_of(index, "safety_checker").empty()};
  check_agreement(c);
  c.info.scheduler = c.scheduler.text("_class_name", "");
  if (c.info.scheduler.empty()) fail(ErrorKind::bad_file, c.scheduler.where(), ": \"_class_name\" is missing");
  c.info.prediction_type = c.scheduler.text("prediction_type", "epsilon");
  c.info.latent_channels = static_cast<int>(c.vae.latent_channels);
  c.info.inpainting = c.unet.in_channels == inpainting_channels(c.vae);
  c.info.height = c.info.width = static_cast<int>(c.unet.sample_size * c.vae.scale());
  return c;
}

void Checkpoint::copy_weights() {
  std::int64_t needed = 0;
  for (const ComponentInfo& component : info.components) needed += component.bytes;
  if (const std::int64_t there = available_memory(); needed > there)
    fail(ErrorKind::out_of_memory, info.path, ": the weights need ", in_gigabytes(needed), ", but ", in_gigabytes(there),
         " are available; free memory, or map the files (map_weights) if another process uses them too");
  for (auto* weights : {&text_encoder_weights, &unet_weights, &vae_weights}) *weights = copied_weights(**weights);
}

void Checkpoint::require_unchanged() const {
  for (const WeightReader* weights : {text_encoder_weights.get(), unet_weights.get(), vae_weights.get()}) weights->check_unchanged();
}

ModelInfo inspect(const std::string& path) {
  return guarded([&] { return Checkpoint::open(path).info; });
}

}  // namespace impasto
