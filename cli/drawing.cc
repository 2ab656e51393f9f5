#include "cli/drawing.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "cli/interrupt.h"
#include "cli/report.h"
#include "cli/xl_arguments.h"
#include "impasto/impasto.h"

namespace impasto::cli {
namespace {

void stop_if_interrupted(std::size_t saved) {
  if (!interrupted()) return;
  const std::string what = saved == 0   ? "no picture was written"
                           : saved == 1 ? "1 picture was written"
                                        : std::to_string(saved) + " pictures were written";
  throw Error(ErrorKind::cancelled, "stopped; " + what);
}

/// Runs f, which asks interrupted(); a stop is told in our words.
template <typename F>
auto unless_interrupted(std::size_t saved, const F& f) {
  try {
    auto result = f();
    stop_if_interrupted(saved);
    return result;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) stop_if_interrupted(saved);
    throw;
  }
}

/// Runs f; where the models' shares of the walk do not work out, the option is named that shares it out.
template <typename F>
auto naming_refiner_start(const Request& request, const F& f) {
  try {
    return f();
  } catch (const Error& error) {
    if (request.refiner.empty() || !std::string_view(error.what()).starts_with("denoising_")) throw;
    throw Error(error.kind(), std::string("--refiner-start: ").append(error.what()));
  }
}

Pipeline load(const std::string& path, const LoadOptions& options, const GenerateArguments& arguments) {
  Pipeline pipeline = Pipeline::load(path, options);
  if (!arguments.control.nets.empty()) pipeline = pipeline.with_controlnets(arguments.control.nets);
  if (!arguments.ip_adapter.files.empty()) pipeline = pipeline.with_ip_adapters(ip_adapter_files(arguments.ip_adapter));
  return pipeline;
}

TextToImageResult run(const Pipeline& pipeline, Task task, const InpaintOptions& options) {
  switch (task) {
    case Task::text_to_image: return pipeline.text_to_image(options);
    case Task::image_to_image: return pipeline.image_to_image(options);
    default: return pipeline.inpaint(options);
  }
}

}  // namespace

Artist::Artist(const GenerateArguments& arguments, const std::string& path, const Request& request, const OutputPath& output, Progress& progress)
    : arguments_(arguments), path_(path), request_(request), output_(output), progress_(progress) {
  with(request.pictures.front().loras);
}

/// The model with these adapters; the one without is kept where pictures to come want others.
const Pipeline& Artist::with(const std::vector<Lora>& loras) {
  if (plain_ && loras.empty()) return *plain_;
  if (adapted_ && same_loras(loras, loras_)) return *adapted_;
  const auto began = std::chrono::steady_clock::now();
  progress_.begin("Loading");
  LoadOptions options = arguments_.load;
  options.should_stop = interrupted;
  if (!plain_) plain_ = unless_interrupted(0, [&] { return load(path_, options, arguments_); });
  if (!loras.empty()) {
    adapted_.reset();
    adapted_ = unless_interrupted(0, [&] { return plain_->with_loras(loras); });
    loras_ = loras;
    if (plan_batches(request_.pictures, 0).size() == 1) plain_.reset();  // no picture wants other adapters
  }
  load_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return loras.empty() ? *plain_ : *adapted_;
}

/// A preview that cannot be written costs a warning, not the picture.
void Artist::save_previews(const Batch& batch, const StepInfo& info) {
  const int done = info.step + 1;
  if (arguments_.preview.every == 0 || preview_failed_ || done % arguments_.preview.every != 0 || done == info.num_steps) return;
  const std::vector<Image> images = info.preview(arguments_.preview.method);
  const HoldInterrupts hold;
  for (std::size_t i = 0; i < images.size() && !preview_failed_; ++i) {
    const std::size_t number = batch.first + i;
    const std::uint64_t seed = *request_.options.seed + (has_one_seed(request_.options) ? 0 : number);
    try {
      write_image(output_.preview_name(static_cast<int>(number), seed, done), images[i], {}, arguments_.encoding);
    } catch (const Error& error) {
      preview_failed_ = true;
      progress_.end();
      warn(std::string("--preview: ") + error.what());
    }
  }
}

/// The refiner goes on from the latents, to the same prompts.
TextToImageResult Artist::refine(const InpaintOptions& options, TextToImageResult drawn) {
  if (!refiner_) {
    const auto began = std::chrono::steady_clock::now();
    progress_.begin("Loading the refiner");
    LoadOptions load = arguments_.load;
    ModelParts parts;  // others are the first model's
    parts.tokenizer = load.parts.tokenizer, parts.safety_checker = load.parts.safety_checker;
    load.parts = parts;
    load.should_stop = interrupted;
    refiner_ = Pipeline::load(request_.refiner, load);
    load_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  InpaintOptions more = options;
  more.hires = {}, more.controls.clear(), more.ip_adapter_images.clear();
  if (is_refiner(refiner_->info())) more.prompt_2.clear(), more.negative_prompt_2.clear();  // it reads the prompt, as in diffusers
  more.num_inference_steps = drawn.num_inference_steps;
  if (request_.task != Task::inpaint)
    more.image = {}, more.width = more.height = 0;  // the latents'
  else if (more.inpaint_area == InpaintArea::masked)
    more.width = drawn.width, more.height = drawn.height;
  more.image_latents = std::move(drawn.latents);
  more.denoising_start = options.denoising_end;
  more.denoising_end.reset();
  more.latents.reset(), more.variation_strength = 0;
  more.decode = true;
  if (more.scheduler.empty()) more.scheduler = drawn.scheduler, more.schedule = drawn.schedule;
  TextToImageResult refined = request_.task == Task::inpaint ? refiner_->inpaint(more) : refiner_->image_to_image(more);
  drawn.images = std::move(refined.images), drawn.latents = std::move(refined.latents), drawn.flagged = refined.flagged;
  drawn.refiner = request_.refiner;
  drawn.timings.text_encoder += refined.timings.text_encoder;
  drawn.timings.vae_encoder += refined.timings.vae_encoder;
  drawn.timings.vae_decoder += refined.timings.vae_decoder;
  drawn.timings.steps.insert(drawn.timings.steps.end(), refined.timings.steps.begin(), refined.timings.steps.end());
  for (const std::string& warning : refined.warnings)
    if (std::find(drawn.warnings.begin(), drawn.warnings.end(), warning) == drawn.warnings.end()) drawn.warnings.push_back(warning);
  return drawn;
}

TextToImageResult Artist::draw(const Batch& batch, std::size_t saved) {
  const Pipeline& pipeline = with(request_.pictures[batch.first].loras);
  InpaintOptions options = options_of(request_.options, request_.pictures, batch);
  progress_.begin("Drawing", inference_steps(options));
  options.on_step = [&](const StepInfo& info) {
    progress_.step(info.step + 1, info.num_steps);
    if (interrupted()) return StepAction::cancel;
    save_previews(batch, info);
    if (info.step + 1 == info.num_steps && options.decode) progress_.begin("Decoding");
    return StepAction::proceed;
  };
  options.should_stop = interrupted;
  options.decode = request_.refiner.empty();
  return unless_interrupted(saved, [&] {
    return naming_refiner_start(request_, [&] {
      TextToImageResult drawn = run(pipeline, request_.task, options);
      return request_.refiner.empty() ? drawn : refine(options, std::move(drawn));
    });
  });
}

void check_options(const Request& request, const Batch& batch, const ModelInfo& model, const LoadOptions& load) {
  const InpaintOptions options = options_of(request.options, request.pictures, batch);
  naming_refiner_start(request, [&] {
    switch (request.task) {
      case Task::text_to_image: return impasto::check_options(static_cast<const TextToImageOptions&>(options), model, load);
      case Task::image_to_image: return impasto::check_options(static_cast<const ImageToImageOptions&>(options), model, load);
      default: return impasto::check_options(options, model, load);
    }
  });
}

}  // namespace impasto::cli
