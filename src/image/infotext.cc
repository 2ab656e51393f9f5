#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "core/fail.h"
#include "core/guard.h"
#include "core/json.h"
#include "image/samplers.h"
#include "impasto/metadata.h"

namespace impasto {
namespace {

Sampler sampler_of(const TextToImageOptions& options, const TextToImageResult& result) {
  const auto* found = std::find_if(kSamplers.begin(), kSamplers.end(), [&](const Sampler& s) { return s.class_name == result.scheduler; });
  Sampler sampler = found != kSamplers.end() ? *found : Sampler{result.scheduler, result.scheduler, Schedule::karras};
  // One class draws both: only the short name tells the stochastic solver apart.
  const auto named = find_scheduler(options.scheduler);
  if (sampler.name == "DPM++ 2M" && named && named->scheduler == "dpm++_2m_sde") sampler.name = "DPM++ 2M SDE";
  return sampler;
}

/// "Schedule type"; empty where nothing has to be said.
std::string schedule_of(const Sampler& sampler, const TextToImageResult& result) {
  const std::string schedule = result.karras_sigmas ? "karras" : result.schedule;
  if (schedule == "trailing") return "SGM Uniform";
  if (schedule == "linspace") return "Linspace";
  if (sampler.schedule == Schedule::fixed) return "";
  for (const char* name : {"Karras", "Exponential", "Beta", "Lu"})
    if (find_schedule(name) == schedule) return name;
  return sampler.schedule == Schedule::named ? "Uniform" : "";
}

/// The shortest digits that read back as the same value: 7, not 7.000000.
template <typename T>
std::string number(T value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : ", ") + number(value);
  return text;
}

/// A value as A1111 stores it: as a JSON string when it holds what separates fields.
std::string quoted(const std::string& value) {
  return value.find_first_of(",:\n") == std::string::npos ? value : Json(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// "key: value, key: value".
class Fields {
 public:
  void add(const char* key, const std::string& value) { text_ += (text_.empty() ? "" : ", ") + std::string(key) + ": " + quoted(value); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

using FieldList = std::vector<std::pair<const char*, std::string>>;

/// What the other tasks have to say beside the settings of text to picture.
struct TaskFields {
  FieldList strength, extras;  // A1111 has them in two places
  std::string image_guidance = {};
};

TaskFields fields_of(const TextToImageOptions& options) {
  if (!options.hires) return {};
  const Hires& h = *options.hires;
  TaskFields fields{{{"Denoising strength", number(h.strength)}}, {{"Hires upscale", number(h.scale)}}};
  if (h.num_inference_steps > 0) fields.extras.emplace_back("Hires steps", std::to_string(h.num_inference_steps));
  fields.extras.emplace_back("Hires upscaler", h.upscaler == HiresUpscaler::latent ? "Latent" : "Lanczos");
  return fields;
}

TaskFields fields_of(const ImageToImageOptions& options, const ModelInfo& model) {
  if (model.editing) return {{}, {}, number(options.image_guidance_scale)};
  return {{{"Denoising strength", number(*options.strength)}}, {}};
}

TaskFields fields_of(const InpaintOptions& options, const ModelInfo& model) {
  TaskFields fields = fields_of(static_cast<const ImageToImageOptions&>(options), model);
  if (model.inpainting) fields.strength.emplace_back("Conditional mask weight", "1.0");
  fields.extras.emplace_back("Mask mode", options.invert_mask ? "Inpaint not masked" : "Inpaint masked");
  if (options.mask_blur > 0) fields.extras.emplace_back("Mask blur", number(options.mask_blur));
  if (options.inpaint_area == InpaintArea::masked) {
    fields.extras.emplace_back("Inpaint area", "Only masked");
    fields.extras.emplace_back("Masked area padding", std::to_string(options.inpaint_padding));
  }
  if (!options.keep_unmasked) fields.extras.emplace_back("Keep unmasked", "false");
  return fields;
}

/// A file's name without its ending, or a folder's.
std::string adapter_name(const std::string& path) {
  const std::filesystem::path name = model_name(path);
  for (const char* ending : {".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".gguf"})
    if (name.extension() == ending) return name.stem().string();
  return name.string();
}

/// As A1111's extension for ControlNet writes it.
std::string control_text(const Control& control, const std::string& path) {
  std::string text = "Module: none, Model: " + adapter_name(path) + ", Weight: " + number(control.scale);
  text += ", Guidance Start: " + number(control.start) + ", Guidance End: " + number(control.stop);
  return text + ", Control Mode: " + (control.guess_mode ? "ControlNet is more important" : "Balanced");
}

/// The extension has IP-Adapters among its units, told apart by the module that looks at their pictures.
std::string ip_adapter_text(const IpAdapterImage& image, const std::string& path) {
  return "Module: ip-adapter-auto, Model: " + adapter_name(path) + ", Weight: " + number(image.scale) +
         ", Guidance Start: 0, Guidance End: 1, Control Mode: Balanced";
}

std::string size_of(const PictureSize& size) { return concat(size.width, 'x', size.height); }

/// What only models of the XL kind look at. The names are our own but for the refiner's.
FieldList xl_fields(const TextToImageOptions& o, const TextToImageResult& result) {
  FieldList fields;
  if (!o.prompt_2.empty()) fields.emplace_back("Prompt 2", o.prompt_2);
  if (!o.negative_prompt_2.empty()) fields.emplace_back("Negative prompt 2", o.negative_prompt_2);
  const MicroConditions &m = o.micro_conditions, &n = o.negative_micro_conditions;
  if (m.original_size) fields.emplace_back("Original size", size_of(*m.original_size));
  if (m.crops_coords_top_left) fields.emplace_back("Crop top", std::to_string(m.crops_coords_top_left->top));
  if (m.crops_coords_top_left) fields.emplace_back("Crop left", std::to_string(m.crops_coords_top_left->left));
  if (m.target_size) fields.emplace_back("Target size", size_of(*m.target_size));
  if (n.original_size) fields.emplace_back("Negative original size", size_of(*n.original_size));
  if (n.crops_coords_top_left) fields.emplace_back("Negative crop top", std::to_string(n.crops_coords_top_left->top));
  if (n.crops_coords_top_left) fields.emplace_back("Negative crop left", std::to_string(n.crops_coords_top_left->left));
  if (n.target_size) fields.emplace_back("Negative target size", size_of(*n.target_size));
  const TextToImageOptions usual;
  if (o.aesthetic_score != usual.aesthetic_score) fields.emplace_back("Aesthetic score", number(o.aesthetic_score));
  if (o.negative_aesthetic_score != usual.negative_aesthetic_score)
    fields.emplace_back("Negative aesthetic score", number(o.negative_aesthetic_score));
  if (!result.refiner.empty() && o.denoising_end) {
    fields.emplace_back("Refiner", model_name(result.refiner));
    fields.emplace_back("Refiner switch at", number(*o.denoising_end));
  }
  return fields;
}

/// The order is A1111's. The model's hash is left out: A1111 means the SHA-256 of a single file, which a folder does not have.
std::string settings_line(const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, std::size_t index,
                          const TaskFields& task) {
  const Sampler sampler = sampler_of(options, result);
  Fields fields;
  fields.add("Steps", std::to_string(inference_steps(options)));
  fields.add("Sampler", std::string(sampler.name));
  if (const std::string schedule = schedule_of(sampler, result); !schedule.empty()) fields.add("Schedule type", schedule);
  fields.add("CFG scale", number(*options.guidance_scale));
  if (!task.image_guidance.empty()) fields.add("Image CFG scale", task.image_guidance);
  fields.add("Seed", std::to_string(result.seeds[index]));
  fields.add("Size", concat(result.width, 'x', result.height));
  if (const std::string name = model_name(model.path); !name.empty()) fields.add("Model", name);
  if (!result.variation_seeds.empty()) {
    fields.add("Variation seed", std::to_string(result.variation_seeds.at(index)));
    fields.add("Variation seed strength", number(options.variation_strength));
  }
  for (const auto& [key, value] : task.strength) fields.add(key, value);
  if (options.clip_skip > 0) fields.add("Clip skip", std::to_string(options.clip_skip + 1));
  if (options.prompt_syntax != PromptSyntax::plain) fields.add("Prompt syntax", to_string(options.prompt_syntax));
  fields.add("RNG", options.rng == Rng::cuda ? "NV" : "CPU");
  if ((sampler.name == "DDIM" || sampler.name == "TCD") && options.eta != 0) fields.add("Eta DDIM", number(options.eta));
  if (options.guidance_rescale != 0) fields.add("CFG Rescale", number(options.guidance_rescale));
  if (options.guidance_start != 0) fields.add("Guidance start", number(options.guidance_start));
  if (options.guidance_stop != 1) fields.add("Guidance stop", number(options.guidance_stop));
  if (!options.timesteps.empty()) fields.add("Timesteps", list(options.timesteps));
  if (!options.sigmas.empty()) fields.add("Sigmas", list(options.sigmas));
  if (options.vae_tiling) fields.add("VAE tiling", "true");
  if (options.deep_cache_interval != 1) fields.add("Deep cache interval", std::to_string(options.deep_cache_interval));
  if (options.token_merging_ratio != 0) fields.add("Token merging ratio", number(options.token_merging_ratio));
  for (const auto& [key, value] : task.extras) fields.add(key, value);
  for (const auto& [key, value] : xl_fields(options, result)) fields.add(key, value);
  int unit = 0;
  const auto add_unit = [&](const std::string& text) { fields.add(concat("ControlNet ", unit++).c_str(), text); };
  for (std::size_t i = 0; i < std::min(options.controls.size(), result.controlnets.size()); ++i)
    add_unit(control_text(options.controls[i], result.controlnets[i]));
  for (std::size_t i = 0; i < std::min(options.ip_adapter_images.size(), result.ip_adapters.size()); ++i)
    add_unit(ip_adapter_text(options.ip_adapter_images[i], result.ip_adapters[i]));
  fields.add("Version", "impasto " + version());
  return fields.text();
}

/// Without white space at both ends, as A1111 writes it, and without NUL, which PNG text cannot hold.
std::string trimmed(std::string text) {
  std::erase(text, '\0');
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Of several prompts each has num_images pictures.
const std::string& prompt_of(const TextToImageOptions& options, const std::vector<std::string>& several, const std::string& one, int index) {
  return several.empty() ? one : several.at(static_cast<std::size_t>(index / std::max(options.num_images, 1)));
}

std::string write(const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, int index, const TaskFields& task) {
  if (index < 0 || static_cast<std::size_t>(index) >= result.seeds.size()) {
    fail(ErrorKind::invalid_argument, "infotext: no image ", index, " in a result of ", result.seeds.size());
  }
  return guarded([&] {
    std::string text = prompt_of(options, options.prompts, options.prompt, index);
    const std::string negative = prompt_of(options, options.negative_prompts, options.negative_prompt, index);
    if (!negative.empty()) text += "\nNegative prompt: " + negative;
    return trimmed(text + "\n" + settings_line(options, result, model, static_cast<std::size_t>(index), task));
  });
}

}  // namespace

std::string model_name(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  if (folder.parent_path().filename() == "snapshots") {
    const std::string repository = folder.parent_path().parent_path().filename().string();
    if (const auto at = repository.rfind("--"); at != std::string::npos) return repository.substr(at + 2);
  }
  return folder.filename().string();
}

namespace {

/// f(options with the model's defaults).
template <typename Options, typename F>
std::string filled_in(const Options& given, const ModelInfo& model, const F& f) {
  return guarded([&] {
    Options options = given;
    fill_in_defaults(options, model);
    return f(options);
  });
}

}  // namespace

std::string infotext(const TextToImageOptions& given, const TextToImageResult& result, const ModelInfo& model, int index) {
  return filled_in(given, model, [&](const TextToImageOptions& o) { return write(o, result, model, index, fields_of(o)); });
}

std::string infotext(const ImageToImageOptions& given, const TextToImageResult& result, const ModelInfo& model, int index) {
  return filled_in(given, model, [&](const ImageToImageOptions& o) { return write(o, result, model, index, fields_of(o, model)); });
}

std::string infotext(const InpaintOptions& given, const TextToImageResult& result, const ModelInfo& model, int index) {
  return filled_in(given, model, [&](const InpaintOptions& o) { return write(o, result, model, index, fields_of(o, model)); });
}

}  // namespace impasto
