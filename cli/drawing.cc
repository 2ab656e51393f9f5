#include "cli/drawing.h"

#include <chrono>

#include "cli/interrupt.h"
#include "cli/report.h"
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

Pipeline load(const std::string& path, const LoadOptions& options, const std::vector<std::string>& control_nets) {
  const Pipeline pipeline = Pipeline::load(path, options);
  return control_nets.empty() ? pipeline : pipeline.with_controlnets(control_nets);
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
  if (!plain_) plain_ = unless_interrupted(0, [&] { return load(path_, options, arguments_.control.nets); });
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

TextToImageResult Artist::draw(const Batch& batch, std::size_t saved) {
  const Pipeline& pipeline = with(request_.pictures[batch.first].loras);
  InpaintOptions options = options_of(request_.options, request_.pictures, batch);
  progress_.begin("Drawing", inference_steps(options));
  options.on_step = [&](const StepInfo& info) {
    progress_.step(info.step + 1, info.num_steps);
    if (interrupted()) return StepAction::cancel;
    save_previews(batch, info);
    if (info.step + 1 == info.num_steps) progress_.begin("Decoding");
    return StepAction::proceed;
  };
  options.should_stop = interrupted;
  return unless_interrupted(saved, [&] { return run(pipeline, request_.task, options); });
}

void check_options(const Request& request, const Batch& batch, const ModelInfo& model) {
  const InpaintOptions options = options_of(request.options, request.pictures, batch);
  switch (request.task) {
    case Task::text_to_image: return impasto::check_options(static_cast<const TextToImageOptions&>(options), model);
    case Task::image_to_image: return impasto::check_options(static_cast<const ImageToImageOptions&>(options), model);
    default: return impasto::check_options(options, model);
  }
}

}  // namespace impasto::cli
