#include "pipelines/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/fail.h"
#include "core/guard.h"
#include "core/memory.h"
#include "impasto/hub.h"
#include "pipelines/found_model.h"
#include "pipelines/picture_ids.h"

namespace impasto {
namespace fs = std::filesystem;

namespace {

/// Nothing for a tensor of a type that nobody here computes with: it is refused when a network asks for it.
std::optional<TensorInfo> describe_if_supported(const WeightReader& weights, const std::string& tensor) {
  try {
    return weights.describe(tensor);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return std::nullopt;
  }
}

ComponentInfo describe(const std::string& name, const FoundNetwork& network) {
  ComponentInfo info;
  info.name = name;
  info.class_name = network.class_name;
  info.config = network.config->value().dump();
  std::set<std::string> dtypes;
  for (const std::string& tensor : network.weights->names()) {
    const auto stored = describe_if_supported(*network.weights, tensor);
    if (!stored || !is_floating_point(stored->dtype)) continue;  // position_ids and other buffers
    info.parameters += stored->shape.count();
    info.bytes += static_cast<std::int64_t>(stored->bytes());
    dtypes.insert(to_string(stored->dtype));
  }
  info.dtypes.assign(dtypes.begin(), dtypes.end());
  return info;
}

/// Latents, the mask, and the latents of the picture around it.
std::int64_t inpainting_channels(const VaeConfig& vae) { return 2 * vae.latent_channels + 1; }

void check_agreement(const Checkpoint& c) {
  const std::string& path = c.info.path;
  std::int64_t columns = 0;
  std::string names;
  for (const TextPart& text : c.texts) columns += text.config.hidden_size, names += (names.empty() ? "" : " and ") + text.name;
  if (columns != c.unet.context_channels)
    fail(ErrorKind::bad_file, path, ": ", names, c.texts.size() > 1 ? " together have" : " has", " \"hidden_size\" ", columns,
         ", but unet expects \"cross_attention_dim\" ", c.unet.context_channels);
  const std::int64_t ids = c.num_picture_ids(), left = c.unet.added_channels - c.pooled_channels();
  if (c.unet.added_channels > 0 && (c.pooled_channels() == 0 || left != ids * c.unet.added_id_channels || (ids != kSizeIds && ids != kScoreIds)))
    fail(ErrorKind::bad_file, path, ": unet expects \"projection_class_embeddings_input_dim\" ", c.unet.added_channels, ", of which ",
         c.texts.back().name, " gives ", c.pooled_channels(), " columns; what is left has to be ", kSizeIds, " or ", kScoreIds,
         " numbers of \"addition_time_embed_dim\" ", c.unet.added_id_channels);
  if (c.unet.in_channels != c.vae.latent_channels && c.unet.in_channels != inpainting_channels(c.vae) && !c.unet.edits_pictures())
    fail(ErrorKind::bad_file, path, ": unet takes ", c.unet.in_channels, " channels, but the vae has ", c.vae.latent_channels,
         " latent channels (an inpainting model takes ", inpainting_channels(c.vae), ", one that edits pictures ", 2 * c.unet.out_channels, ")");
  if (c.unet.out_channels != c.vae.latent_channels || c.vae.out_channels != 3)
    fail(ErrorKind::bad_file, path, ": unet gives ", c.unet.out_channels, " channels for ", c.vae.latent_channels,
         " latent channels, and the vae gives ", c.vae.out_channels, " colours instead of 3");
}

}  // namespace

int Checkpoint::most_clip_skip() const {
  int most = 1024;
  for (const TextPart& text : texts) most = std::min(most, text.config.layers - 1 - (reads_penultimate_layer() ? 1 : 0));
  return most;
}

std::int64_t Checkpoint::num_picture_ids() const {
  return unet.added_channels > 0 ? std::max<std::int64_t>(0, unet.added_channels - pooled_channels()) / unet.added_id_channels : 0;
}

FoundModel find_model(const std::string& path, const ModelParts& parts) {
  std::error_code unseen;  // what cannot be looked at is told when it is opened
  if (fs::status(path, unseen).type() == fs::file_type::not_found) fail(ErrorKind::not_found, path, ": no such folder or file");
  FoundModel model = fs::is_directory(path, unseen) ? find_in_folder(path, parts) : find_in_file(path, parts);
  replace_parts(model, parts);
  for (FoundText& text : model.texts)
    if (text.tokenizer_folder.empty()) text.tokenizer_folder = cached_tokenizer().value_or("");
  return model;
}

Checkpoint Checkpoint::open(const std::string& name, const ModelParts& parts) {
  const std::string path = find_model(name);
  return {find_model(path, parts), path, parts};
}

Checkpoint::Checkpoint(const FoundModel& model, const std::string& path, const ModelParts& parts)
    : unet(UNetConfig::parse(*model.unet.config)),
      vae(VaeConfig::parse(*model.vae.config)),
      scheduler(*model.scheduler),
      unet_weights(model.unet.weights),
      vae_weights(model.vae.weights),
      zeros_for_no_prompt(model.zeros_for_no_prompt),
      has_safety_checker(model.has_safety_checker),
      safety_checker_weights(model.safety_checker.weights),
      warnings(model.warnings) {
  info.path = path;
  for (const FoundText& text : model.texts) {
    texts.push_back({text.name, ClipTextConfig::parse(*text.network.config), text.network.weights, text.tokenizer_folder, text.tokenizer_pad});
    info.components.push_back(describe(text.name, text.network));
  }
  info.tokenizer = texts.front().tokenizer_folder;
  info.parts = parts;
  info.format = model.format;
  info.pipeline_class = model.pipeline_class;
  info.notes = model.notes;
  info.notes.insert(info.notes.end(), model.warnings.begin(), model.warnings.end());
  info.components.push_back(describe("unet", model.unet));
  info.components.push_back(describe("vae", model.vae));
  check_agreement(*this);
  if (model.safety_checker) safety_checker = SafetyCheckerConfig::parse(*model.safety_checker.config);
  info.safety_checker = safety_checker.has_value();
  if (!parts.preview_vae.empty()) open_preview_vae(parts.preview_vae);
  info.scheduler = scheduler.text("_class_name", "");
  if (info.scheduler.empty()) fail(ErrorKind::bad_file, scheduler.where(), ": \"_class_name\" is missing");
  info.scheduler_config = scheduler.value().dump();
  info.prediction_type = scheduler.text("prediction_type", "epsilon");
  info.latent_channels = static_cast<int>(vae.latent_channels);
  info.inpainting = unet.in_channels == inpainting_channels(vae);
  info.editing = unet.edits_pictures();
  info.height = info.width = static_cast<int>(unet.sample_size * vae.scale());
  info.distilled = unet.guidance_channels > 0;
  if (unet.added_channels > 0) info.defaults = {.guidance_scale = 5, .strength = 0.3, .inpaint_strength = 0.9999};
  if (info.distilled) info.defaults.guidance_scale = info.defaults.inpaint_guidance = 8.5f, info.defaults.num_inference_steps = 4;
}

void Checkpoint::open_preview_vae(const std::string& name) {
  const FoundNetwork found = find_vae(name);
  preview_vae = VaeConfig::parse(*found.config);
  preview_vae_weights = found.weights;
  if (!preview_vae->tiny) fail(ErrorKind::unsupported, name, ": class ", found.class_name, " is no TAESD (AutoencoderTiny)");
  if (preview_vae->latent_channels != vae.latent_channels)
    fail(ErrorKind::bad_file, name, ": made for another model: it has ", preview_vae->latent_channels, " latent channels, ", info.path, " ",
         vae.latent_channels);
}

void Checkpoint::copy_weights() {
  std::int64_t needed = 0;
  for (const ComponentInfo& component : info.components) needed += component.bytes;
  if (const std::int64_t there = available_memory(); needed > there)
    fail(ErrorKind::out_of_memory, info.path, ": the weights need ", in_gigabytes(needed), ", but ", in_gigabytes(there),
         " are available; free memory, or map the files (map_weights) if another process uses them too");
  std::vector<std::shared_ptr<const WeightReader>*> all{&unet_weights, &vae_weights, &preview_vae_weights};
  for (TextPart& text : texts) all.insert(all.begin(), &text.weights);
  for (auto* weights : all)
    if (*weights) *weights = copied_weights(**weights);
}

void Checkpoint::require_unchanged() const {
  for (const TextPart& text : texts) text.weights->check_unchanged();
  for (const WeightReader* weights : {unet_weights.get(), vae_weights.get()}) weights->check_unchanged();
}

ModelInfo inspect(const std::string& path, const ModelParts& parts) {
  return guarded([&] { return Checkpoint::open(path, parts).info; });
}

}  // namespace impasto
