#include "cli/run_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <sys/resource.h>

#include "cli/text.h"

namespace impasto::cli {
namespace {

std::string model_name(const std::string& path) {
  const auto folder = std::filesystem::path(path).lexically_normal();
  return (folder.filename().empty() ? folder.parent_path() : folder).filename().string();
}

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

Json settings_json(const TextToImageOptions& o, const TextToImageResult& r) {
  return {{"prompt", o.prompt},
          {"negative_prompt", o.negative_prompt},
          {"num_inference_steps", o.num_inference_steps},
          {"guidance_scale", as_typed(o.guidance_scale)},
          {"guidance_rescale", as_typed(o.guidance_rescale)},
          {"eta", as_typed(o.eta)},
          {"clip_skip", o.clip_skip},
          {"scheduler", r.scheduler},
          {"use_karras_sigmas", r.karras_sigmas},
          {"width", r.width},
          {"height", r.height},
          {"seed", *o.seed},
          {"num_images", o.num_images},
          {"shared_generator", o.shared_generator}};
}

double rounded(double seconds) { return std::round(seconds * 1000) / 1000; }

Json times_json(const Timings& stages, const RunTimes& run) {
  Json steps = Json::array();
  for (const double step : stages.steps) steps.push_back(rounded(step));
  return {{"load", rounded(run.load)},
          {"text_encoder", rounded(stages.text_encoder)},
          {"step", rounded(usual_step(stages.steps))},
          {"steps", steps},
          {"vae_decoder", rounded(stages.vae_decoder)},
          {"total", rounded(run.total)}};
}

}  // namespace

void announce(const TextToImageOptions& options, const ModelInfo& model) {
  const std::string karras = options.use_karras_sigmas.value_or(false) ? " (Karras)" : "";
  const std::string count = options.num_images == 1 ? "" : std::to_string(options.num_images) + " pictures of ";
  std::fprintf(stderr, "%s: %s%s, %s%d x %d, %d steps, guidance %g, seed %llu\n", printable(model_name(model.path)).c_str(),
               printable(options.scheduler.empty() ? model.scheduler : options.scheduler).c_str(), karras.c_str(), count.c_str(), options.width,
               options.height, options.num_inference_steps, static_cast<double>(options.guidance_scale),
               static_cast<unsigned long long>(*options.seed));
}

void summarize(const Timings& stages, const RunTimes& run) {
  std::fprintf(stderr, "%s to load, %s for the text, %zu steps of %s, %s to decode, %s in all; peak memory %s\n", in_seconds(run.load).c_str(),
               in_seconds(stages.text_encoder).c_str(), stages.steps.size(), in_seconds(usual_step(stages.steps)).c_str(),
               in_seconds(stages.vae_decoder).c_str(), in_seconds(run.total).c_str(), in_bytes(peak_memory()).c_str());
}

Json report_json(const std::vector<std::string>& names, const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model,
                 const RunTimes& run) {
  Json images = Json::array();
  for (std::size_t i = 0; i < names.size(); ++i) images.push_back({{"path", names[i]}, {"seed", result.seeds.at(i)}});
  return {{"images", images},
          {"model", model.path},
          {"settings", settings_json(options, result)},
          {"warnings", result.warnings},
          {"seconds", times_json(result.timings, run)},
          {"peak_memory_bytes", peak_memory()},
          {"version", version()}};
}

}  // namespace impasto::cli
