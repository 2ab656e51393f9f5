#include "pipelines/options.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/fail.h"
#include "core/guard.h"
#include "core/memory.h"
#include "core/quote.h"
#include "core/utf8.h"
#include "nn/token_merging.h"
#include "pipelines/controllers.h"
#include "pipelines/hires.h"
#include "pipelines/memory_estimate.h"
#include "pipelines/new_words.h"
#include "pipelines/noise.h"
#include "pipelines/picture_ids.h"
#include "pipelines/picture_prompts.h"
#include "pipelines/safety.h"
#include "schedulers/schedule.h"

namespace impasto {
namespace {

constexpr int kMostPixels = 16384;  // along a side
constexpr int kMostImages = 1024;

void require_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) fail(ErrorKind::invalid_argument, name, " is ", value, ", allowed is ", low, " to ", high);
}

void require_side(const char* name, int value, std::int64_t scale) {
  if (value < scale || value > kMostPixels || value % scale != 0)
    fail(ErrorKind::invalid_argument, name, " is ", value, ", allowed are multiples of ", scale, " from ", scale, " to ", kMostPixels);
}

void require_latents(const HostTensor& latents, const std::vector<std::int64_t>& shape) {
  if (latents.shape != shape || static_cast<std::int64_t>(latents.values.size()) != Shape(shape).count())
    fail(ErrorKind::invalid_argument, "latents have shape ",
         latents.shape.size() <= Shape::kMaxRank ? Shape(latents.shape).to_string() : "of many dimensions", " and ", latents.values.size(),
         " values, expected ", Shape(shape).to_string());
}

/// Embeddings of all images at once or of each, [1 or images, tokens, channels].
void require_embeds(const char* name, const HostTensor& embeds, std::int64_t images, std::int64_t channels) {
  constexpr std::int64_t kMostTokens = 77 * 32;
  const auto& s = embeds.shape;
  const bool fits = s.size() == 3 && (s[0] == 1 || s[0] == images) && s[1] >= 1 && s[1] <= kMostTokens && s[2] == channels &&
                    static_cast<std::int64_t>(embeds.values.size()) == s[0] * s[1] * s[2];
  if (!fits)
    fail(ErrorKind::invalid_argument, name, " have shape ", s.size() <= Shape::kMaxRank ? Shape(s).to_string() : "of many dimensions", " and ",
         embeds.values.size(), " values, expected [1 or ", images, ", 1 to ", kMostTokens, " tokens, ", channels, "]");
}

/// What prompts come to as a whole, which models with added channels want beside their embeddings.
void require_pooled(const char* name, const std::optional<HostTensor>& embeds, const std::optional<HostTensor>& pooled, std::int64_t images,
                    std::int64_t channels) {
  if (embeds.has_value() != pooled.has_value() && (channels > 0 || pooled))
    fail(ErrorKind::invalid_argument, name, " and pooled_", name, " go together: this model takes ",
         channels > 0 ? "both or none" : "none of the latter");
  if (!pooled) return;
  const auto& s = pooled->shape;
  if (s.size() != 2 || (s[0] != 1 && s[0] != images) || s[1] != channels || static_cast<std::int64_t>(pooled->values.size()) != s[0] * s[1])
    fail(ErrorKind::invalid_argument, "pooled_", name, " have shape ", s.size() <= Shape::kMaxRank ? Shape(s).to_string() : "of many dimensions",
         " and ", pooled->values.size(), " values, expected [1 or ", images, ", ", channels, "]");
}

void require_text(const std::string& name, const std::string& text) {
  if (const auto at = first_not_utf8(text))
    fail(ErrorKind::invalid_argument, name, " is not valid UTF-8: byte ", *at, " is 0x", std::hex, int{static_cast<unsigned char>(text[*at])});
}

void require_texts(const TextToImageOptions& o) {
  require_text("prompt", o.prompt), require_text("negative_prompt", o.negative_prompt);
  require_text("prompt_2", o.prompt_2), require_text("negative_prompt_2", o.negative_prompt_2);
  for (std::size_t i = 0; i < o.prompts.size(); ++i) require_text(concat("prompts[", i, "]"), o.prompts[i]);
  for (std::size_t i = 0; i < o.negative_prompts.size(); ++i) require_text(concat("negative_prompts[", i, "]"), o.negative_prompts[i]);
}

/// A prompt, several, or embeddings; of several, one for each image from here on.
void settle_prompts(TextToImageOptions& o, const Checkpoint& c) {
  const auto conflict = [](bool both, const char* a, const char* b) {
    if (both) fail(ErrorKind::invalid_argument, a, " and ", b, " are both set: give one of the two");
  };
  require_texts(o);
  conflict(!o.prompts.empty() && !o.prompt.empty(), "prompt", "prompts");
  conflict(o.prompt_embeds && !(o.prompt.empty() && o.prompts.empty()), "prompt_embeds", "prompt or prompts");
  conflict(!o.negative_prompts.empty() && !o.negative_prompt.empty(), "negative_prompt", "negative_prompts");
  conflict(o.negative_prompt_embeds && !(o.negative_prompt.empty() && o.negative_prompts.empty()), "negative_prompt_embeds",
           "negative_prompt or negative_prompts");
  conflict(o.prompt_embeds && !o.prompt_2.empty(), "prompt_embeds", "prompt_2");
  conflict(o.negative_prompt_embeds && !o.negative_prompt_2.empty(), "negative_prompt_embeds", "negative_prompt_2");
  if (!o.negative_prompts.empty() && o.negative_prompts.size() != o.prompts.size())
    fail(ErrorKind::invalid_argument, "there are ", o.negative_prompts.size(), " negative_prompts for ", o.prompts.size(), " prompts");
  const auto each = static_cast<std::size_t>(o.num_images);
  if (!o.prompts.empty()) {
    if (o.prompts.size() * each > kMostImages)
      fail(ErrorKind::invalid_argument, o.prompts.size(), " prompts with num_images ", each, " make more than ", kMostImages,
           " pictures in one batch");
    o.num_images = static_cast<int>(o.prompts.size() * each);
  }
  for (auto* prompts : {&o.prompts, &o.negative_prompts}) {
    std::vector<std::string> all;
    for (const std::string& prompt : *prompts) all.insert(all.end(), each, prompt);
    *prompts = std::move(all);
  }
  if (c.texts.size() < 2 && !(o.prompt_2.empty() && o.negative_prompt_2.empty()))
    fail(ErrorKind::unsupported, "prompt_2 and negative_prompt_2 are what a second text encoder reads; ", c.info.path, " has one text encoder");
  require_pooled("prompt_embeds", o.prompt_embeds, o.pooled_prompt_embeds, o.num_images, c.pooled_channels());
  require_pooled("negative_prompt_embeds", o.negative_prompt_embeds, o.negative_pooled_prompt_embeds, o.num_images, c.pooled_channels());
  if (o.prompt_embeds) require_embeds("prompt_embeds", *o.prompt_embeds, o.num_images, c.unet.context_channels);
  if (o.negative_prompt_embeds) require_embeds("negative_prompt_embeds", *o.negative_prompt_embeds, o.num_images, c.unet.context_channels);
}

/// What a stage needs on a network's device, and on the host beside it.
void require_memory(const TextToImageOptions& o, const Backend& device, std::int64_t activations, std::int64_t on_host) {
  const auto require = [&](std::int64_t needed, std::int64_t there, const std::string& where) {
    if (needed > there)
      fail(ErrorKind::out_of_memory, "drawing ", o.num_images, " image(s) of ", o.width, "x", o.height, " needs about ", in_gigabytes(needed),
           ", but ", in_gigabytes(there), " are available on ", where, "; draw smaller or fewer images");
  };
  if (device.shares_host_memory()) return require(activations + on_host, device.available_memory(), "this machine");
  require(activations, device.available_memory(), concat("device \"", device.name(), "\""));
  require(on_host, available_memory(), "this machine");
}

void require_memory(const TextToImageOptions& o, const Checkpoint& c, const Placement& on) {
  const ActivationMemory needed = activation_memory(c.unet, c.vae, o.height, o.width, o.num_images, c.unet.guided_at(*o.guidance_scale), o.vae_tiling,
                                                    on.unet.feature_type(), on.vae.feature_type());
  // The libraries of GPUs count a map's elements in 32 bits; the widest one is as large as the picture, as wide as the last level but one.
  const std::int64_t widest = c.vae.channels[std::min<std::size_t>(1, c.vae.channels.size() - 1)];
  if (!on.vae.shares_host_memory() && !o.vae_tiling && std::int64_t{o.width} * o.height * widest > std::numeric_limits<std::int32_t>::max())
    fail(ErrorKind::invalid_argument, o.width, "x", o.height, " is too large to be decoded in one piece on a GPU: use vae_tiling");
  require_memory(o, on.unet, needed.unet, needed.pictures);
  require_memory(o, on.vae, needed.vae, needed.pictures);
}

/// The second pass has more steps than are run, which the caller has not chosen: where there are too many of them it is told what makes them.
std::unique_ptr<Scheduler> second_scheduler(const HiresPass& pass, const Hires& hires, const Checkpoint& c) {
  try {
    TextToImageResult ignored;
    return scheduler_for(pass.options, c, ignored);
  } catch (const Error& error) {
    const int steps = *pass.options.num_inference_steps;
    fail(error.kind(), "hires: ", steps - pass.skipped_steps, " steps at strength ", hires.strength, " are the last of ", steps, ": ", error.what());
  }
}

/// What would else be found out after the first pass.
void require_second_pass(const TextToImageOptions& o, const Checkpoint& c, const Placement& on) {
  const HiresPass pass = hires_pass(o, c);
  const TextToImageOptions& second = pass.options;
  require_side("height of the second pass", second.height, c.vae.scale());
  require_side("width of the second pass", second.width, c.vae.scale());
  require_memory(second, c, on);
  const auto scheduler = second_scheduler(pass, *o.hires, c);
  require_walk(pass.skipped_steps * scheduler->order(), end_step(*scheduler, second, c), second);
}

bool has_own_path(const TextToImageOptions& o) { return !o.timesteps.empty() || !o.sigmas.empty(); }

/// Whether that chooses the levels themselves, rather than timesteps.
bool is_spread(const std::string& schedule) { return schedule == "karras" || schedule == "exponential" || schedule == "beta" || schedule == "lu"; }

void require_one_path(const TextToImageOptions& o) {
  if (!o.timesteps.empty() && !o.sigmas.empty()) fail(ErrorKind::invalid_argument, "timesteps and sigmas are both set; a walk has one path");
  if (has_own_path(o) && o.hires)
    fail(ErrorKind::invalid_argument, "timesteps or sigmas of one's own do not go with hires, whose second pass has other steps");
  if (o.sigmas.size() == 1) fail(ErrorKind::invalid_argument, "sigmas has 1 level; the one that the walk ends at has to follow");
}

bool has_negative_prompt(const TextToImageOptions& o) {
  return !o.negative_prompt.empty() || o.negative_prompt_embeds ||
         std::any_of(o.negative_prompts.begin(), o.negative_prompts.end(), [](const std::string& text) { return !text.empty(); });
}

}  // namespace

void fill_in_defaults(TextToImageOptions& o, const ModelInfo& info) {
  if (!o.guidance_scale) o.guidance_scale = info.defaults.guidance_scale;
  if (!o.num_inference_steps) o.num_inference_steps = info.defaults.num_inference_steps;
}

void fill_in_defaults(ImageToImageOptions& o, const ModelInfo& info) {
  fill_in_defaults(static_cast<TextToImageOptions&>(o), info);
  if (!o.strength) o.strength = info.defaults.strength;
}

void fill_in_defaults(InpaintOptions& o, const ModelInfo& info) {
  if (!o.guidance_scale) o.guidance_scale = info.defaults.inpaint_guidance;
  fill_in_defaults(static_cast<TextToImageOptions&>(o), info);
  if (!o.strength) o.strength = info.defaults.inpaint_strength;
}

int inference_steps(const TextToImageOptions& o) {
  const std::size_t own = o.sigmas.empty() ? o.timesteps.size() : o.sigmas.size() - 1;
  return has_own_path(o) ? static_cast<int>(std::min<std::size_t>(own, INT32_MAX))
                         : o.num_inference_steps.value_or(DefaultSettings().num_inference_steps);
}

TextToImageOptions checked(const TextToImageOptions& options, const Checkpoint& c, const Placement& on, TextToImageResult& result) {
  TextToImageOptions o = options;
  fill_in_defaults(o, c.info);
  if (o.height == 0) o.height = c.info.height;
  if (o.width == 0) o.width = c.info.width;
  require_side("height", o.height, c.vae.scale());
  require_side("width", o.width, c.vae.scale());
  require_one_path(o);
  require_range("num_images", o.num_images, 1, kMostImages);
  o.num_inference_steps = inference_steps(o);
  require_range("num_inference_steps", *o.num_inference_steps, 1, 100000);
  require_range("guidance_scale", *o.guidance_scale, 0, 1000);
  require_range("guidance_rescale", o.guidance_rescale, 0, 1);
  require_range("guidance_stop", o.guidance_stop, 0, 1);
  require_range("guidance_start", o.guidance_start, 0, o.guidance_stop);
  require_range("deep_cache_interval", o.deep_cache_interval, 1, 100);
  require_range("token_merging_ratio", o.token_merging_ratio, 0, nn::TokenMerging::kMostMerged);
  require_range("eta", o.eta, 0, 1);
  require_range("variation_strength", o.variation_strength, 0, 1);
  require_range("clip_skip", o.clip_skip, 0, c.most_clip_skip());
  check_micro_conditions(o);
  if (o.denoising_end && !(*o.denoising_end > 0 && *o.denoising_end < 1))
    fail(ErrorKind::invalid_argument, "denoising_end is ", *o.denoising_end, ", allowed is between 0 and 1");
  settle_prompts(o, c);
  for (const TextPart& text : c.texts) new_vocabulary(o.embeddings, o.prompt_syntax, text.config.hidden_size, text.config.vocabulary_size);  // throws
  const std::int64_t h = o.height / c.vae.scale(), w = o.width / c.vae.scale();
  if (o.latents) require_latents(*o.latents, {o.num_images, c.vae.latent_channels, h, w});
  check_controls(o);
  check_picture_prompts(o);
  if (o.safety != SafetyPolicy::off) require_safety_checker(c);
  require_memory(o, c, on);
  if (o.hires) require_second_pass(o, c, on);

  const std::uint64_t first = o.seed.value_or(random_seed());
  const bool varied = o.variation_strength > 0;
  if (varied && o.latents) fail(ErrorKind::invalid_argument, "latents and variation_strength are both set: there is no noise to vary");
  for (int k = 0; k < o.num_images; ++k) result.seeds.push_back(o.shared_generator || varied ? first : first + static_cast<std::uint64_t>(k));
  if (varied) {
    result.variation_seeds.resize(result.seeds.size());
    std::iota(result.variation_seeds.begin(), result.variation_seeds.end(), o.variation_seed.value_or(random_seed()));
  }
  result.num_inference_steps = *o.num_inference_steps;
  result.height = o.height;
  result.width = o.width;
  for (const auto& warning : c.warnings) result.warnings.push_back(warning);
  if (c.info.distilled && has_negative_prompt(o))
    result.warnings.push_back(
        "the negative prompt has no effect: the model is told the guidance scale (LCM-distilled) and looks at the prompt alone");
  if (o.safety == SafetyPolicy::off && c.has_safety_checker) result.warnings.push_back("the model's safety checker was not run");
  return o;
}

std::unique_ptr<Scheduler> scheduler_for(const TextToImageOptions& options, const Checkpoint& c, TextToImageResult& result) {
  const std::string& name = options.scheduler.empty() ? c.info.scheduler : options.scheduler;
  if (options.scheduler.empty() && !find_scheduler(name))
    fail(ErrorKind::unsupported, c.scheduler.where(), ": scheduler ", in_quotes(name), " is not known; name another (scheduler: --scheduler NAME)");
  result.scheduler = scheduler_class_name(name);
  const NamedScheduler named = *find_scheduler(name);
  std::string wanted = named.schedule;
  JsonObject config = c.scheduler;
  if (options.use_karras_sigmas.value_or(false)) wanted = "karras";
  if (options.use_karras_sigmas == false) config = config.with("use_karras_sigmas", false);
  if (options.use_karras_sigmas == false && wanted == "karras") wanted.clear();
  if (!options.schedule.empty() && find_schedule(options.schedule) != "") wanted = options.schedule;
  auto scheduler = make_scheduler(with_schedule(config, wanted), named.scheduler);
  const std::string asked = find_schedule(wanted).value_or("");
  if (!options.sigmas.empty() && is_spread(asked))
    fail(ErrorKind::invalid_argument, "sigmas of one's own do not go with sigmas that are spread (", asked,
         "); schedule uniform leaves them as they are");
  if (has_own_path(options))
    scheduler->set_path({.timesteps = options.timesteps, .sigmas = options.sigmas});
  else
    scheduler->set_timesteps(*options.num_inference_steps);
  result.schedule = options.sigmas.empty() ? to_string(scheduler->spread()) : "";
  result.karras_sigmas = result.schedule == "karras";
  if (asked == "trailing" || asked == "linspace") result.schedule = asked;
  if (!asked.empty() && asked != "uniform" && asked != result.schedule)
    result.warnings.push_back(concat(result.scheduler, " has no ", asked, " schedule: it was ignored"));
  return scheduler;
}

int end_step(const Scheduler& scheduler, const TextToImageOptions& o, const Checkpoint& c) {
  const std::vector<double>& timesteps = scheduler.timesteps();
  if (!o.denoising_end) return static_cast<int>(timesteps.size());
  const double cutoff = timestep_at(*o.denoising_end, c);
  return static_cast<int>(std::count_if(timesteps.begin(), timesteps.end(), [&](double t) { return t >= cutoff; }));
}

void require_walk(int first, int end, const TextToImageOptions& o) {
  if (o.denoising_end && first >= end)
    fail(ErrorKind::invalid_argument, "denoising_end (where a refiner goes on) is ", *o.denoising_end,
         ", and the walk begins behind it: take a larger strength, or end later");
}

double timestep_at(double share, const Checkpoint& c) {
  const auto trained = static_cast<double>(c.scheduler.integer("num_train_timesteps", 1000, 1, 1 << 20));
  return std::nearbyint(trained - share * trained);
}

void require_ordinary_model(const Checkpoint& c) {
  if (c.info.inpainting)
    fail(ErrorKind::unsupported, c.info.path, ": this is an inpainting model; it needs a picture and a mask (image and mask_image)");
  if (c.info.editing)
    fail(ErrorKind::unsupported, c.info.path, ": this is a model that edits pictures (InstructPix2Pix); it needs a picture (image), and no mask");
}

void require_drawable(const TextToImageOptions& options, const Checkpoint& c, const Placement& on) {
  TextToImageResult ignored;
  scheduler_for(checked(options, c, on, ignored), c, ignored);
}

void check_options(const TextToImageOptions& options, const ModelInfo& info, const LoadOptions& load) {
  guarded([&] {
    const Checkpoint c = Checkpoint::open(info.path, info.parts);
    require_ordinary_model(c);
    require_drawable(options, c, placement(load));
  });
}

}  // namespace impasto
