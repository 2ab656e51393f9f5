#include "cli/generate.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <numeric>
#include <optional>
#include <random>

#include <unistd.h>

#include "cli/download.h"
#include "cli/interrupt.h"
#include "cli/output_path.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/run_report.h"
#include "cli/text.h"
#include "impasto/impasto.h"

namespace impasto::cli {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// A seed that a person can type: 32 bits, as other programs draw them.
std::uint64_t random_seed() { return std::random_device()(); }

/// Everything settled that the first message tells: task, prompt, seed, pictures, and the size unless that follows from a picture.
Request settle(const GenerateArguments& arguments, const ModelInfo& model) {
  Request request{task_of(arguments.from, arguments.picture), arguments.from.image, arguments.from.mask, arguments.picture};
  InpaintOptions& options = request.options;
  ChosenLoras chosen = choose_loras(arguments.lora, read_prompt(arguments.prompt));
  options.prompt = std::move(chosen.recorded_prompt);
  request.drawn_prompt = std::move(chosen.drawn_prompt);
  request.loras = std::move(chosen.loras);
  options.controls = read_controls(arguments.control);
  read_pictures(arguments.from, request.task, options);
  if (!options.seed) options.seed = random_seed();
  if (request.task != Task::text_to_image) return request;
  if (options.width == 0) options.width = model.width;
  if (options.height == 0) options.height = model.height;
  return request;
}

void check_output(const OutputPath& output, const InpaintOptions& options) {
  constexpr int kMostToCheck = 10'000;  // beyond this the library refuses the batch anyway
  std::vector<std::uint64_t> seeds(static_cast<std::size_t>(std::clamp(options.num_images, 0, kMostToCheck)), *options.seed);
  if (!options.shared_generator) std::iota(seeds.begin(), seeds.end(), *options.seed);
  // A tenth of the pixels' bytes: no picture worth keeping compresses better. Absurd sizes are for the library to refuse.
  constexpr double kMostBytes = 64e6;
  const int width = std::max(options.width, options.image.width), height = std::max(options.height, options.image.height);
  output.check(seeds, static_cast<std::int64_t>(std::clamp(0.3 * width * height, 0.0, kMostBytes)));
}

void stop_if_interrupted() {
  if (interrupted()) throw Error(ErrorKind::cancelled, "stopped; no picture was written");
}

/// Runs f, which asks interrupted(); a stop is told in our words.
template <typename F>
auto unless_interrupted(const F& f) {
  try {
    auto result = f();
    stop_if_interrupted();
    return result;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) stop_if_interrupted();
    throw;
  }
}

Pipeline load(const GenerateArguments& arguments, const std::string& path, const std::vector<Lora>& loras, Progress& progress) {
  progress.begin("Loading");
  LoadOptions options = arguments.load;
  options.should_stop = interrupted;
  return unless_interrupted([&] {
    const Pipeline pipeline = Pipeline::load(path, options);
    const Pipeline adapted = loras.empty() ? pipeline : pipeline.with_loras(loras);
    return arguments.control.nets.empty() ? adapted : adapted.with_controlnets(arguments.control.nets);
  });
}

TextToImageResult run(const Pipeline& pipeline, const Request& request) {
  InpaintOptions options = request.options;
  options.prompt = request.drawn_prompt;
  switch (request.task) {
    case Task::text_to_image: return pipeline.text_to_image(options);
    case Task::image_to_image: return pipeline.image_to_image(options);
    default: return pipeline.inpaint(options);
  }
}

void check(const Request& request, const ModelInfo& model) {
  switch (request.task) {
    case Task::text_to_image: return check_options(static_cast<const TextToImageOptions&>(request.options), model);
    case Task::image_to_image: return check_options(static_cast<const ImageToImageOptions&>(request.options), model);
    default: return check_options(request.options, model);
  }
}

std::string text_of(const Request& request, const TextToImageResult& result, const ModelInfo& model, int index) {
  switch (request.task) {
    case Task::text_to_image: return infotext(static_cast<const TextToImageOptions&>(request.options), result, model, index);
    case Task::image_to_image: return infotext(static_cast<const ImageToImageOptions&>(request.options), result, model, index);
    default: return infotext(request.options, result, model, index);
  }
}

TextToImageResult draw(const Pipeline& pipeline, Request& request, Progress& progress) {
  InpaintOptions& options = request.options;
  progress.begin("Drawing", options.num_inference_steps);
  options.on_step = [&](const StepInfo& info) {
    progress.step(info.step + 1, info.num_steps);
    if (interrupted()) return StepAction::cancel;
    if (info.step + 1 == info.num_steps) progress.begin("Decoding");
    return StepAction::proceed;
  };
  options.should_stop = interrupted;
  return unless_interrupted([&] { return run(pipeline, request); });
}

/// Writes a picture, and where that fails puts it into the folder for temporary files: minutes of work should not be lost to a full disk.
void save(const std::string& path, const Image& image, const std::string& text, std::uint64_t seed) {
  try {
    write_png(path, image, {{"parameters", text}});
  } catch (const Error& error) {
    std::error_code no_folder;
    const std::string rescue = free_name(std::filesystem::temp_directory_path(no_folder).string(), seed);
    try {
      write_png(rescue, image, {{"parameters", text}});
    } catch (const Error&) {
      throw error;
    }
    throw Error(error.kind(), std::string(error.what()) + ". The picture was saved as " + rescue + " instead");
  }
}

/// Saves all pictures that can be saved; the first failure is thrown afterwards. Returns their names.
std::vector<std::string> save_all(const OutputPath& output, const Request& request, const TextToImageResult& result, const ModelInfo& model,
                                  bool tell) {
  const HoldInterrupts hold;
  std::vector<std::string> names;
  std::optional<Error> failure;
  for (std::size_t i = 0; i < result.images.size(); ++i) {
    const int index = static_cast<int>(i);
    const std::string name = output.name(index, result.seeds.at(i));
    try {
      save(name, result.images[i], text_of(request, result, model, index), result.seeds.at(i));
      names.push_back(name);
      if (tell) print_line(::isatty(STDOUT_FILENO) == 1 ? printable(name) : name);
    } catch (const Error& error) {
      if (failure) warn(error.what());
      if (!failure) failure = error;
    }
  }
  if (failure) throw *failure;
  return names;
}

}  // namespace

int generate(const GenerateArguments& arguments) {
  catch_interrupts();
  std::signal(SIGPIPE, SIG_IGN);  // a reader of our messages that goes away must not cost the picture
  const Stopwatch watch;
  RunTimes times;

  const std::string path = ready_model(arguments.model, arguments.variant, arguments.quiet);
  const ModelInfo model = inspect(path, arguments.load.parts);
  Request request = settle(arguments, model);
  check(request, model);
  const OutputPath output(arguments.output, request.options.num_images);
  check_output(output, request.options);
  if (!arguments.quiet) announce(request, model);

  Progress progress(arguments.quiet ? ProgressStyle::silent : style_for_stderr());
  const Stopwatch load_watch;
  const Pipeline pipeline = load(arguments, path, request.loras, progress);
  times.load = load_watch.seconds();
  const TextToImageResult result = draw(pipeline, request, progress);
  progress.end();
  const auto names = save_all(output, request, result, model, /*tell=*/!arguments.json);
  times.total = watch.seconds();

  for (const auto& warning : result.warnings) warn(warning);
  if (!arguments.quiet) summarize(result.timings, times);
  if (arguments.json) print_json(report_json(names, request, result, model, times));
  return 0;
}

}  // namespace impasto::cli
