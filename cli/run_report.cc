#include "cli/run_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include <sys/resource.h>

#include "cli/text.h"
#include "impasto/metadata.h"

namespace impasto::cli {
namespace {

std::int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

/// Half of the steps took longer: the first also picks kernels, and one may have met a busy machine.
double usual_step(std::vector<double> steps) {
  if (steps.empty()) return 0;
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

/// What all pictures share, or null.
Json shared(const std::vector<PlannedPicture>& pictures, std::string PlannedPicture::*field) {
  const auto same = [&](const PlannedPicture& picture) { return picture.*field == pictures.front().*field; };
  return std::all_of(pictures.begin(), pictures.end(), same) ? Json(pictures.front().*field) : Json();
}

Json files_of(const std::vector<Embedding>& embeddings) {
  Json files = Json::array();
  for (const Embedding& embedding : embeddings) files.push_back(embedding.source);
  return files;
}

Json settings_json(const Request& request, const TextToImageResult& r) {
  const TextToImageOptions& o = request.options;
  Json settings = {{"prompt", shared(request.pictures, &PlannedPicture::prompt)},
                   {"negative_prompt", shared(request.pictures, &PlannedPicture::negative_prompt)},
                   {"prompt_syntax", to_string(o.prompt_syntax)},
                   {"embeddings", files_of(o.embeddings)},
                   {"num_inference_steps", inference_steps(o)},
                   {"guidance_scale", as_typed(*o.guidance_scale)},
                   {"guidance_rescale", as_typed(o.guidance_rescale)},
                   {"guidance_start", as_typed(o.guidance_start)},
                   {"guidance_stop", as_typed(o.guidance_stop)},
                   {"deep_cache_interval", o.deep_cache_interval},
                   {"token_merging_ratio", as_typed(o.token_merging_ratio)},
                   {"vae_tiling", o.vae_tiling},
                   {"eta", as_typed(o.eta)},
                   {"clip_skip", o.clip_skip},
                   {"scheduler", r.scheduler},
                   {"schedule", r.schedule},
                   {"use_karras_sigmas", r.karras_sigmas},
                   {"width", r.width},
                   {"height", r.height},
                   {"seed", *o.seed},
                   {"variation_strength", as_typed(o.variation_strength)},
                   {"num_images", o.num_images},
                   {"shared_generator", o.shared_generator},
                   {"rng", to_string(o.rng)}};
  if (!o.timesteps.empty()) settings["timesteps"] = o.timesteps;
  if (!o.sigmas.empty()) settings["sigmas"] = o.sigmas;
  return settings;
}

Json hires_json(const Hires& h) {
  return {{"scale", h.scale}, {"upscaler", to_string(h.upscaler)}, {"num_inference_steps", h.num_inference_steps}, {"strength", h.strength}};
}

Json controls_json(const TextToImageOptions& o, const TextToImageResult& r) {
  Json all = Json::array();
  for (std::size_t i = 0; i < std::min(o.controls.size(), r.controlnets.size()); ++i) {
    const Control& c = o.controls[i];
    all.push_back(
        {{"controlnet", r.controlnets[i]}, {"scale", as_typed(c.scale)}, {"start", c.start}, {"stop", c.stop}, {"guess_mode", c.guess_mode}});
  }
  return all;
}

Json ip_adapters_json(const TextToImageOptions& o, const TextToImageResult& r) {
  Json all = Json::array();
  for (std::size_t i = 0; i < std::min(o.ip_adapter_images.size(), r.ip_adapters.size()); ++i)
    all.push_back(
        {{"ip_adapter", r.ip_adapters[i]}, {"scale", as_typed(o.ip_adapter_images[i].scale)}, {"images", o.ip_adapter_images[i].images.size()}});
  return all;
}

Json picture_json(const Request& request) {
  const InpaintOptions& o = request.options;
  Json settings = {{"image", request.image}, {"strength", *o.strength}};
  if (request.task != Task::inpaint) return settings;
  settings.update({{"mask", request.mask},
                   {"invert_mask", o.invert_mask},
                   {"mask_blur", as_typed(o.mask_blur)},
                   {"inpaint_area", o.inpaint_area == InpaintArea::whole ? "whole" : "masked"},
                   {"inpaint_padding", o.inpaint_padding},
                   {"keep_unmasked", o.keep_unmasked},
                   {"extend", {{"left", o.extend.left}, {"top", o.extend.top}, {"right", o.extend.right}, {"bottom", o.extend.bottom}}}});
  return settings;
}

double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Json times_json(const Timings& stages, const RunTimes& run) {
  Json steps = Json::array();
  for (const double step : stages.steps) steps.push_back(rounded(step));
  return {{"load", rounded(run.load)},
          {"text_encoder", rounded(stages.text_encoder)},
          {"vae_encoder", rounded(stages.vae_encoder)},
          {"step", rounded(usual_step(stages.steps))},
          {"steps", steps},
          {"vae_decoder", rounded(stages.vae_decoder)},
          {"total", rounded(run.total)}};
}

std::string as_text(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

/// "512 x 512", or what of it the user said about a picture whose size is kept else: "512 wide".
std::string size_text(int width, int height) {
  if (width == 0) return std::to_string(height) + " high";
  return height == 0 ? std::to_string(width) + " wide" : std::to_string(width) + " x " + std::to_string(height);
}

/// ", from cat.png (640 x 480) where mask.png is white, strength 0.75".
std::string origin_text(const Request& request) {
  const InpaintOptions& o = request.options;
  if (request.task == Task::text_to_image) return "";
  std::string text = ", from " + request.image + " (" + size_text(o.image.width, o.image.height) + ")";
  if (!request.mask.empty()) text += " where " + request.mask + " is " + (o.invert_mask ? "black" : "white");
  return text + ", strength " + as_text(*o.strength);
}

}  // namespace

void announce(const Request& request, const ModelInfo& model) {
  const InpaintOptions& o = request.options;
  const std::string schedule = o.schedule.empty() ? "" : " (" + o.schedule + ")";
  const std::size_t pictures = request.pictures.size();
  const std::string count = pictures == 1 ? "" : std::to_string(pictures) + " pictures";
  const std::string varied = o.variation_strength > 0 ? ", varied by seed " + std::to_string(*o.variation_seed) : "";
  const std::string size = o.width == 0 && o.height == 0 ? "" : size_text(o.width, o.height);
  const std::string enlarged = o.hires ? ", then " + as_text(o.hires->scale) + " times as large (" + to_string(o.hires->upscaler) + ")" : "";
  const std::string refined =
      request.refiner.empty() ? "" : ", refined by " + model_name(request.refiner) + " from " + as_text(*o.denoising_end) + " on";
  const std::string what = count + (count.empty() || size.empty() ? "" : " of ") + size;
  std::fprintf(stderr, "%s: %s%s%s%s%s%s, %d steps, guidance %g, seed %llu%s\n", printable(model_name(model.path)).c_str(),
               printable(o.scheduler.empty() ? model.scheduler : o.scheduler).c_str(), printable(schedule).c_str(), what.empty() ? "" : ", ",
               what.c_str(), printable(origin_text(request)).c_str(), (enlarged + printable(refined)).c_str(), inference_steps(o),
               static_cast<double>(*o.guidance_scale), static_cast<unsigned long long>(*o.seed), varied.c_str());
}

void summarize(const Timings& stages, const RunTimes& run) {
  std::fprintf(stderr, "%s to load, %s for the text, %zu steps of %s, %s to decode, %s in all; peak memory %s\n", in_seconds(run.load).c_str(),
               in_seconds(stages.text_encoder).c_str(), stages.steps.size(), in_seconds(usual_step(stages.steps)).c_str(),
               in_seconds(stages.vae_decoder).c_str(), in_seconds(run.total).c_str(), in_bytes(peak_memory()).c_str());
}

Json report_json(const WrittenFiles& files, const Request& request, const TextToImageResult& result, const ModelInfo& model, const RunTimes& run) {
  Json settings = settings_json(request, result);
  if (request.task != Task::text_to_image) settings.update(picture_json(request));
  if (request.options.hires) settings["hires"] = hires_json(*request.options.hires);
  if (!request.refiner.empty()) settings["refiner"] = {{"model", request.refiner}, {"start", *request.options.denoising_end}};
  if (!request.options.controls.empty()) settings["controls"] = controls_json(request.options, result);
  if (!request.options.ip_adapter_images.empty()) settings["ip_adapters"] = ip_adapters_json(request.options, result);
  Json images = Json::array();
  for (std::size_t i = 0; i < files.names.size(); ++i) {
    images.push_back({{"path", files.names[i]}, {"seed", result.seeds.at(i)}});
    if (!result.flagged.empty()) images.back()["flagged"] = static_cast<bool>(result.flagged.at(i));
    if (!result.variation_seeds.empty()) images.back()["variation_seed"] = result.variation_seeds.at(i);
    for (const char* field : {"prompt", "negative_prompt"})
      if (settings.at(field).is_null()) images.back()[field] = field[0] == 'p' ? request.pictures[i].prompt : request.pictures[i].negative_prompt;
  }
  Json report = {{"images", images},
                 {"model", model.path},
                 {"settings", settings},
                 {"warnings", result.warnings},
                 {"seconds", times_json(result.timings, run)},
                 {"peak_memory_bytes", peak_memory()},
                 {"version", version()}};
  if (!files.sheet.empty()) report["grid"] = files.sheet;
  return report;
}

}  // namespace impasto::cli
