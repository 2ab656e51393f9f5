#include "cli/generate.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <numeric>
#include <random>

#include "cli/drawing.h"
#include "cli/idle_options.h"
#include "cli/interrupt.h"
#include "cli/output_path.h"
#include "cli/progress.h"
#include "cli/prompt_embeds.h"
#include "cli/ready_parts.h"
#include "cli/recorded_settings.h"
#include "cli/report.h"
#include "cli/run_report.h"
#include "cli/saver.h"
#include "cli/scaled_file.h"
#include "cli/text.h"
#include "cli/xl_arguments.h"
#include "impasto/impasto.h"

namespace impasto::cli {
namespace {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(); }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

constexpr std::size_t kMostAtATime = 1024;  // as the library has it

/// A seed that a person can type: 32 bits, as other programs draw them.
std::uint64_t random_seed() { return std::random_device()(); }

/// Everything settled that the first message tells: task, prompts, seed, pictures, and the size unless that follows from a picture.
Request settle(const GenerateArguments& arguments, const ModelInfo& model) {
  Request request{task_of(arguments.from, arguments.picture), arguments.from.image, arguments.from.mask, arguments.picture};
  InpaintOptions& options = request.options;
  if (!options.seed) options.seed = random_seed();
  if (options.variation_strength == 0 && given(arguments, "--variation-seed"))
    throw Error(ErrorKind::invalid_argument, "--variation-seed: say with --variation-strength how far to go towards it, above 0 to 1");
  if (options.variation_strength == 0) options.variation_seed.reset();  // of a picture's settings
  if (!options.variation_seed && options.variation_strength > 0) options.variation_seed = random_seed();
  request.pictures = plan_pictures(arguments.prompt, arguments.lora, options);
  take_prompt_embeds(arguments.prompt.embeds, request.pictures.size(), options);
  options.embeddings = read_embeddings(arguments.prompt, all_text(request.pictures));
  options.controls = read_controls(arguments.control, options.controls);
  options.ip_adapter_images = read_ip_adapter_images(arguments.ip_adapter, options.ip_adapter_images);
  read_pictures(arguments.from, request.task, options);
  if (request.task != Task::text_to_image) {
    if (!arguments.from.settings.empty()) options.hires.reset();  // of the picture that the settings are of
    return request;
  }
  if (options.width == 0) options.width = model.width;
  if (options.height == 0) options.height = model.height;
  return request;
}

/// Settings that nobody named: the model's.
void take_defaults(const ModelInfo& model, Request& request) {
  InpaintOptions& o = request.options;
  if (request.task == Task::inpaint) return fill_in_defaults(o, model);
  if (request.task == Task::image_to_image) return fill_in_defaults(static_cast<ImageToImageOptions&>(o), model);
  fill_in_defaults(static_cast<TextToImageOptions&>(o), model);
}

/// What goes with the model and is on the Hub.
void ready_companions(const GenerateArguments& arguments) {
  const ModelChoice& with = arguments.model;
  ready_parts(arguments.load.parts, with, arguments.quiet);
  ready_ip_adapters(ip_adapter_files(arguments.ip_adapter), with, arguments.quiet);
  for (const std::string& net : arguments.control.nets) ready_part(net, with, arguments.quiet);
  for (const std::string& lora : arguments.lora.files) ready_part(parse_scaled_file("--lora", lora).path, with, arguments.quiet);
  for (const std::string& embedding : arguments.prompt.embeddings) ready_part(parse_embedding(embedding).file, with, arguments.quiet);
}

/// The refiner, if there is one: found, and told where the first model stops.
void settle_refiner(const GenerateArguments& arguments, const ModelInfo& model, Request& request) {
  if (arguments.refiner.model.name.empty()) return;
  if (!(arguments.refiner.start > 0 && arguments.refiner.start < 1))
    throw Error(ErrorKind::invalid_argument,
                "--refiner-start is " + std::to_string(arguments.refiner.start) + ", allowed is between 0 and 1, both left out");
  if (request.options.prompt_embeds)
    throw Error(ErrorKind::invalid_argument,
                "--refiner: it reads the prompt with its own text encoder, but --prompt-embeds are for the first model's");
  request.refiner = ready_model(arguments.refiner.model, arguments.quiet);
  const ModelInfo refiner = inspect(request.refiner);
  if (is_xl(refiner) != is_xl(model) || refiner.latent_channels != model.latent_channels || refiner.inpainting || refiner.editing)
    throw Error(ErrorKind::unsupported, "--refiner: " + request.refiner + " does not go on from the latents of " + model.path);
  request.options.denoising_end = as_typed(arguments.refiner.start);
}

/// Throws what the library would for each batch, and invalid_argument for batches that would not be the pictures that were asked for.
void check(const Request& request, const std::vector<Batch>& batches, const ModelInfo& model, const LoadOptions& load) {
  if (request.options.shared_generator && batches.size() > 1)
    throw Error(ErrorKind::invalid_argument,
                "--shared-generator: all pictures would have to be drawn together, but adapters or --batch-size part them");
  for (const Batch& batch : batches)
    if (batch.count > kMostAtATime)
      throw Error(ErrorKind::invalid_argument, "--num-images: " + std::to_string(batch.count) +
                                                   " pictures are too many to be drawn at a time; say "
                                                   "with --batch-size how many are, up to " +
                                                   std::to_string(kMostAtATime));
  for (const Batch& batch : {batches.front(), batches.back()}) check_options(request, batch, model, load);
}

/// A seed for each picture.
std::vector<std::uint64_t> seeds_of(const Request& request) {
  std::vector<std::uint64_t> seeds(request.pictures.size(), *request.options.seed);
  if (!has_one_seed(request.options)) std::iota(seeds.begin(), seeds.end(), *request.options.seed);
  return seeds;
}

void check_output(const OutputPath& output, const Request& request) {
  const InpaintOptions& options = request.options;
  // A tenth of the pixels' bytes: no picture worth keeping compresses better. Absurd sizes are for the library to refuse.
  constexpr double kMostBytes = 64e6;
  const int width = std::max(options.width, options.image.width), height = std::max(options.height, options.image.height);
  const double larger = options.hires ? options.hires->scale : 1;
  output.check(seeds_of(request), static_cast<std::int64_t>(std::clamp(0.3 * width * height * larger * larger, 0.0, kMostBytes)));
}

/// What the report tells of a batch, behind what it tells of those before.
void add(TextToImageResult batch, TextToImageResult& all) {
  const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  append(all.seeds, batch.seeds);
  append(all.variation_seeds, batch.variation_seeds);
  append(all.flagged, batch.flagged);
  for (const std::string& warning : batch.warnings)
    if (std::find(all.warnings.begin(), all.warnings.end(), warning) == all.warnings.end()) all.warnings.push_back(warning);
  all.timings.text_encoder += batch.timings.text_encoder;
  all.timings.vae_encoder += batch.timings.vae_encoder;
  all.timings.vae_decoder += batch.timings.vae_decoder;
  append(all.timings.steps, batch.timings.steps);
  all.scheduler = batch.scheduler, all.karras_sigmas = batch.karras_sigmas, all.schedule = batch.schedule;
  all.width = batch.width, all.height = batch.height, all.controlnets = batch.controlnets, all.ip_adapters = batch.ip_adapters,
  all.refiner = batch.refiner;
}

}  // namespace

int generate(const GenerateArguments& arguments) {
  catch_interrupts();
  std::signal(SIGPIPE, SIG_IGN);  // a reader of our messages that goes away must not cost the picture
  const Stopwatch watch;
  RunTimes times;

  require_partners(arguments);
  const std::string path = ready_model(arguments.model, arguments.quiet);
  ready_companions(arguments);
  const ModelInfo model = inspect(path, arguments.load.parts);
  ready_tokenizer(model, arguments.quiet);
  Request request = settle(arguments, model);
  take_defaults(model, request);
  settle_refiner(arguments, model, request);
  if (arguments.batch_size < 0)
    throw Error(ErrorKind::invalid_argument, "--batch-size is " + std::to_string(arguments.batch_size) + ", allowed is 1 or more, and 0 for all");
  if (arguments.grid_columns < 0)
    throw Error(ErrorKind::invalid_argument, "--grid-columns is " + std::to_string(arguments.grid_columns) + ", allowed is 1 or more");
  const std::vector<Batch> batches = plan_batches(request.pictures, arguments.batch_size);
  check(request, batches, model, arguments.load);
  const OutputPath output(arguments.output, static_cast<int>(request.pictures.size()));
  check_output(output, request);
  if (!output.is_file() && (arguments.grid || arguments.preview.every > 0))
    throw Error(ErrorKind::invalid_argument, "--grid and --preview: they are files beside the pictures, but --output is none");
  if (arguments.preview.every > 0 && arguments.preview.method == PreviewMethod::tiny && arguments.load.parts.preview_vae.empty())
    throw Error(ErrorKind::invalid_argument, "--preview every=N,tiny: name the TAESD that makes them by --taesd");
  warn_of_other_model(arguments.from, model);
  warn_of_idle_options(arguments, request, model, output);
  if (!arguments.quiet) announce(request, model);

  Progress progress(arguments.quiet ? ProgressStyle::silent : style_for_stderr());
  Artist artist(arguments, path, request, output, progress);
  Saver saver(output, arguments.encoding, request, model, /*tell=*/!arguments.json);
  TextToImageResult all;
  std::vector<Image> sheet;
  for (const Batch& batch : batches) {
    TextToImageResult result = artist.draw(batch, saver.names().size());
    progress.end();
    saver.save(batch, result);  // throws once all of the batch was tried
    if (arguments.grid) sheet.insert(sheet.end(), result.images.begin(), result.images.end());
    add(std::move(result), all);
  }
  if (sheet.size() > 1) saver.save_sheet(contact_sheet(sheet, arguments.grid_columns), all);
  times.load = artist.load_seconds();
  times.total = watch.seconds();

  for (const auto& warning : all.warnings) warn(warning);
  if (!arguments.quiet) summarize(all.timings, times);
  if (arguments.json) print_json(report_json({saver.names(), saver.sheet_name()}, request, all, model, times));
  return 0;
}

}  // namespace impasto::cli
