#include "cli/generate_arguments.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "cli/arguments.h"
#include "cli/machine_arguments.h"
#include "cli/text.h"
#include "impasto/error.h"

namespace impasto::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  impasto generate "a city skyline at sunset in the style of Van Gogh"
  impasto generate -m models/sd15 -p "a red fox in snow" -n "blurry" --steps 25 --scheduler dpm++_2m --karras
  impasto generate --prompt-file prompts.txt --wildcards lists --prompt-syntax a1111 --batch-size 4 -o 'picture-%03d.png'
  impasto generate -p "a lighthouse" -s 7 -b 4 -o 'lighthouse-%03d.png'
  impasto generate -p "a lighthouse" -o lighthouse.jpg --quality 85
  impasto generate -p "a lighthouse" -W 512 -H 512 --hires-scale 1.5 --hires-upscaler lanczos --hires-denoising-strength 0.5
  impasto generate -i sketch.png --strength 0.6 -p "an oil painting of a castle"
  impasto generate -i photo.jpg --mask mask.png -p "a red hat"
  impasto generate -p "a castle <lora:ink:0.8>" --lora-dir models/lora
  impasto generate -m models/sdxl --refiner models/sdxl-refiner -p "a lighthouse at dusk"
  impasto generate -i photo.jpg --extend left=128,right=128 -p "a wide beach"
  echo "a quiet harbour" | impasto generate --prompt - --json --quiet)";

constexpr int kMostHiresSteps = 10'000;  // more of them, which a small strength makes, are refused where they are walked

Rng parse_rng(const std::string& name) {
  for (const Rng rng : {Rng::cpu, Rng::cuda})
    if (name == to_string(rng)) return rng;
  throw CLI::ValidationError("--rng", "\"" + name + "\" is not one of cpu, cuda");
}

void add_picture(CLI::App& app, GenerateArguments& a) {
  TextToImageOptions& p = a.picture;
  auto* width = add_side(app, "-W,--width", p.width, "Width in pixels, a multiple of 8 (default: the model's own, or the picture's)");
  auto* height = add_side(app, "-H,--height", p.height, "Height in pixels, a multiple of 8 (default: the model's own, or the picture's)");
  auto* seed =
      add_seed(app, "-s,--seed", p.seed, "The same seed gives the same picture; picture k of several has seed + k (default: random, and told)");
  auto* count = add_integer(app, "-b,--num-images,--batch-count", p.num_images, "How many pictures of each prompt");
  auto* size = add_integer(app, "--batch-size", a.batch_size,
                           "How many pictures are drawn at a time: fewer take less memory, and are the same pictures (default: all)");
  auto* shared = app.add_flag("--shared-generator", p.shared_generator, "Draw all noise from one stream, as diffusers does for one generator");
  auto* source = app.add_option_function<std::string>(
      "--rng", [&p](const std::string& name) { p.rng = parse_rng(name); },
      "Whose random numbers a seed means: cpu, torch's (default), or cuda, those of torch and A1111 on a GPU; either works on any device");
  source->type_name("NAME");
  auto* strength = add_number(
      app, "--variation-strength", p.variation_strength,
      "Vary the picture of --seed: 0 to 1, how far to go towards another one's noise; picture k of several goes towards that of variation seed + k");
  auto* varied = add_seed(app, "--variation-seed", p.variation_seed, "Where to go to (default: random, and told)");
  auto* grid = app.add_flag("--grid", a.grid, "Write all pictures on one sheet, too: cat-grid.png");
  auto* columns = add_integer(app, "--grid-columns", a.grid_columns, "Of that sheet (default: about square)");
  columns->needs(grid);
  for (auto* option : {width, height, seed, count, size, shared, source, strength, varied, grid, columns}) option->group("Picture");
}

HiresUpscaler parse_upscaler(const std::string& name) {
  for (const HiresUpscaler upscaler : {HiresUpscaler::latent, HiresUpscaler::lanczos})
    if (name == to_string(upscaler)) return upscaler;
  throw CLI::ValidationError("--hires-upscaler", "\"" + name + "\" is not one of latent, lanczos");
}

/// Any of these options asks for it.
void add_hires(CLI::App& app, TextToImageOptions& p) {
  const auto hires = [&p]() -> Hires& { return p.hires ? *p.hires : p.hires.emplace(); };
  const auto number = [&](const char* name, const char* allowed, const char* description, auto take_if_allowed) {
    const auto take = [=](const std::string& text) {
      if (!take_if_allowed(hires(), to_number(name, text))) throw CLI::ValidationError(name, text + " is out of range, allowed is " + allowed);
    };
    return app.add_option_function<std::string>(name, take, description)->type_name("X");
  };
  auto* on = app.add_flag_function(
      "--hires", [hires](std::int64_t) { hires(); }, "Draw small, enlarge, and draw on from there: A1111's hires fix");
  auto* scale = number("--hires-scale", "1 to 8", "How much larger (default 2)", [](Hires& h, double v) { return (h.scale = v) >= 1 && v <= 8; });
  auto* upscaler = app.add_option_function<std::string>(
      "--hires-upscaler", [hires](const std::string& name) { hires().upscaler = parse_upscaler(name); },
      "How it is enlarged: latent (soft; needs a strength above about 0.5) or lanczos (default latent)");
  upscaler->type_name("NAME");
  const auto take_steps = [hires](const std::string& text) { hires().num_inference_steps = to_integer("--hires-steps", text, 0, kMostHiresSteps); };
  auto* steps = app.add_option_function<std::string>("--hires-steps", take_steps, "Steps of the second pass (default: as many as of the first)");
  auto* strength = number("--hires-denoising-strength", "above 0 and up to 1", "How far to go from what was enlarged, above 0 to 1 (default 0.7)",
                          [](Hires& h, double v) { return (h.strength = v) > 0 && v <= 1; });
  steps->type_name("N");
  for (auto* option : {on, scale, upscaler, steps, strength}) option->group("Hires fix");
}

SafetyPolicy parse_safety(const std::string& name) {
  if (name == "off") return SafetyPolicy::off;
  if (name == "flag") return SafetyPolicy::flag;
  if (name == "blur") return SafetyPolicy::blur;
  if (name == "black") return SafetyPolicy::black;
  throw CLI::ValidationError("--safety", "\"" + name + "\" is not one of off, flag, blur, black");
}

void add_safety(CLI::App& app, GenerateArguments& a) {
  auto* policy = app.add_option_function<std::string>(
      "--safety", [&a](const std::string& name) { a.picture.safety = parse_safety(name); },
      "What to do with pictures that the model's safety checker flags: flag (tell), blur, black; off does not run it (default off)");
  policy->type_name("POLICY");
  auto* checker = app.add_option("--safety-checker", a.load.parts.safety_checker,
                                 "The checker to run: its folder, or a model in the diffusers layout that has one (default: the model's own)");
  checker->type_name("DIR");
  for (auto* option : {policy, checker}) option->group("Safety");
}

/// "every=5" or "every=5,vae". Throws CLI::ValidationError.
PreviewArguments parse_preview(const std::string& text) {
  constexpr std::string_view kEvery = "every=";
  PreviewArguments preview;
  const std::string steps = text.substr(0, text.find(','));
  const std::string method = steps.size() < text.size() ? text.substr(steps.size() + 1) : "linear";
  const char* begin = steps.data() + std::min(kEvery.size(), steps.size());
  const char* end = steps.data() + steps.size();
  const auto [stop, error] = std::from_chars(begin, end, preview.every);
  const bool understood = steps.starts_with(kEvery) && error == std::errc() && stop == end && preview.every >= 1 &&
                          (method == "linear" || method == "vae" || method == "tiny");
  if (!understood) throw CLI::ValidationError("--preview", "\"" + text + "\" is not understood; write it as every=5, every=5,vae or every=5,tiny");
  if (method == "vae") preview.method = PreviewMethod::vae;
  if (method == "tiny") preview.method = PreviewMethod::tiny;
  return preview;
}

/// Of these and --steps one says what the walk is, whatever the settings of a picture (--from) say.
void add_own_path(CLI::App& app, TextToImageOptions& p, CLI::Option* steps) {
  auto* timesteps = add_numbers(app, "--timesteps", p.timesteps, "Walk over these timesteps, downwards, instead of --steps of them: 999,850,736,40");
  auto* sigmas =
      add_numbers(app, "--sigmas", p.sigmas, "Walk over these noise levels, downwards, with the one to end at: 14.6,3.8,0.5,0; euler only");
  steps->each([&p](const std::string&) { p.timesteps.clear(), p.sigmas.clear(); });
  timesteps->each([&p](const std::string&) { p.sigmas.clear(); });
  sigmas->each([&p](const std::string&) { p.timesteps.clear(); });
  timesteps->excludes(steps)->excludes(sigmas);
  sigmas->excludes(steps);
  for (auto* option : {timesteps, sigmas}) option->group("Sampling");
}

void add_sampling(CLI::App& app, GenerateArguments& a) {
  TextToImageOptions& p = a.picture;
  auto* steps = add_integer(app, "--steps,--num-inference-steps", p.num_inference_steps,
                            "More steps take longer and show more detail (default 50; LCM-distilled models 4)");
  auto* guidance = add_number(
      app, "--guidance-scale,--cfg-scale", p.guidance_scale,
      "How closely to follow the prompt; 1 or less turns guidance off (default 7.5; Stable Diffusion XL without a mask 5; LCM-distilled models 8.5)");
  auto* scheduler =
      app.add_option("--scheduler,--sampling-method", p.scheduler,
                     "Sampler, such as euler, dpm++_2m or \"DPM++ 2M Karras\"; `impasto schedulers` lists them (default: the model's own)");
  scheduler->type_name("NAME");
  // A name may say how noise levels are spread, too: then that of a picture's settings (--from) is not wanted.
  scheduler->each([&p](const std::string& name) {
    if (const auto found = find_scheduler(name); found && !found->schedule.empty()) p.schedule.clear(), p.use_karras_sigmas.reset();
  });
  auto* schedule = app.add_option(
      "--schedule", p.schedule, "How noise levels are spread: karras, exponential, beta, lu, uniform, \"sgm uniform\" (default: as the model says)");
  schedule->type_name("NAME");
  const auto karras = [&p](std::int64_t given) { p.schedule = given > 0 ? "karras" : "uniform"; };
  auto* sigmas = app.add_flag_function("--karras,--use-karras-sigmas,!--no-karras", karras, "The same as --schedule karras, or uniform");
  auto* rescale = add_number(app, "--guidance-rescale", p.guidance_rescale, "Against over-exposure at a high guidance scale, 0 to 1 (default 0)");
  auto* start = add_number(app, "--guidance-start", p.guidance_start, "Guidance from this share of the steps on, 0 to 1 (default 0)");
  auto* stop = add_number(app, "--guidance-stop", p.guidance_stop, "Guidance up to this share of the steps; a step without takes half the time");
  auto* cache = add_integer(app, "--deep-cache-interval", p.deep_cache_interval,
                            "Run the whole UNet only at every n-th step, its outer layers in between (DeepCache): faster, another picture");
  auto* merging = add_number(app, "--token-merging-ratio", p.token_merging_ratio,
                             "Let this share of the tokens, 0 to 0.75, join others that look alike in self-attention: faster, another picture");
  auto* tiling = app.add_flag("--vae-tiling", p.vae_tiling,
                              "Decode a large picture in squares that fade into each other: less memory, a slightly other picture");
  auto* eta = add_number(app, "--eta", p.eta, "Noise that DDIM and TCD add on the way, 0 to 1 (default 0)");
  auto* skip = add_integer(app, "--clip-skip", p.clip_skip, "Layers of the text encoder to leave out; 1 is A1111's \"Clip skip: 2\" (default 0)");
  for (auto* option : {steps, guidance, scheduler, schedule, sigmas, rescale, start, stop, cache, merging, tiling, eta, skip})
    option->group("Sampling");
  add_own_path(app, p, steps);
}

void add_output(CLI::App& app, GenerateArguments& a) {
  auto* output =
      app.add_option("-o,--output", a.output,
                     "A file (cat.png, .jpg or .webp), a folder, or a pattern with %03d, {index} or {seed}; several pictures get numbers. A file "
                     "that is named is overwritten (default: impasto-SEED.png here, never overwriting)");
  output->type_name("PATH");
  const auto take_quality = [&a](const std::string& text) { a.encoding.quality = to_integer("--quality", text, 1, 100); };
  auto* quality = app.add_option_function<std::string>("--quality", take_quality, "Of JPEG and WebP, 1 to 100 (default 90)")->type_name("N");
  auto* lossless = app.add_flag("--lossless", a.encoding.lossless, "Write WebP that keeps every pixel");
  const auto take_preview = [&a](const std::string& text) { a.preview = parse_preview(text); };
  auto* preview = app.add_option_function<std::string>(
      "--preview", take_preview,
      "Write what each picture is like after every N-th step but the last, cat-step-05.png (Heun's count twice): every=N by a quick "
      "approximation, every=N,vae by the model's decoder, every=N,tiny by --taesd");
  preview->type_name("every=N");
  auto* taesd = app.add_option("--taesd", a.load.parts.preview_vae, "A TAESD for such previews (as --vae it decodes the pictures themselves)");
  taesd->type_name("PATH");
  auto* quiet = app.add_flag("-q,--quiet", a.quiet, "No progress and no summary; only warnings, errors and the pictures' names");
  auto* json = app.add_flag("--json", a.json, "One JSON object on standard output at the end: pictures, settings, timings, warnings, or the error");
  for (auto* option : {output, quality, lossless, preview, taesd, quiet, json}) option->group("Output");
}

}  // namespace

CLI::App* add_generate(CLI::App& app, GenerateArguments& arguments) {
  CLI::App* command = app.add_subcommand("generate", "Draw pictures from a text, or from a text and a picture.");
  arguments.command = command;
  add_prompt_options(*command, arguments.prompt, arguments.picture);
  add_picture(*command, arguments);
  add_hires(*command, arguments.picture);
  add_picture_options(*command, arguments.from, arguments.picture);
  add_sampling(*command, arguments);
  add_lora_options(*command, arguments.lora);
  add_control_options(*command, arguments.control);
  add_ip_adapter_options(*command, arguments.ip_adapter);
  add_xl_options(*command, arguments.refiner, arguments.picture);
  add_machine(*command, arguments.model, arguments.load);
  add_output(*command, arguments);
  add_safety(*command, arguments);
  command->footer(kExamples);
  return command;
}

bool given(const GenerateArguments& arguments, const char* option) { return arguments.command->get_option(option)->count() > 0; }

}  // namespace impasto::cli
