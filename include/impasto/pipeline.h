// Load a checkpoint once, draw from it as often as you like: from text, or from a text and a picture.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "impasto/api.h"
#include "impasto/embedding.h"
#include "impasto/image.h"
#include "impasto/ip_adapter.h"
#include "impasto/lora.h"

namespace impasto {

/// A dense float32 tensor on the host, row-major.
struct HostTensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Where the parts of a model come from that its file does not hold, or that are to be others. Empty: as the model has them.
struct ModelParts {
  /// A file of weights, or a folder with config.json and weights (or a whole model in the diffusers layout): the VAE or the text encoder of it. The
  /// VAE may be a TAESD (class AutoencoderTiny; taesd_decoder.safetensors), which decodes quickly and roughly.
  std::string vae = {};
  std::string text_encoder = {};
  std::string text_encoder_2 = {};  ///< likewise, the second one of SDXL
  /// A folder with vocab.json and merges.txt. A single file's is else looked for in `config`, in the folder beside the file that has its name
  /// without the ending, in a folder "tokenizer" beside it, and beside it.
  std::string tokenizer = {};
  /// A folder in the diffusers layout whose configs describe a single file; its weights are not looked at. Else the file's own metadata
  /// count, then the folder beside the file that has its name without the ending, then what its tensors' shapes tell.
  std::string config = {};
  /// A TAESD for PreviewMethod::tiny, as `vae`.
  std::string preview_vae = {};
  /// A folder with config.json and weights of a StableDiffusionSafetyChecker (or a whole model in the diffusers layout): for SafetyPolicy.
  std::string safety_checker = {};
  /// What the UNet predicts: "epsilon", "v_prediction" or "sample". For single files that do not say it; wins over every config.
  std::string prediction_type = {};
};

/// Where the work runs, and how.
struct LoadOptions {
  /// "cpu", which is always there; "cuda", or "cuda:1" for the second of several GPUs, in builds with CUDA (docs/cuda.md); "auto" for a GPU where
  /// this build and this machine have one that computes in `dtype`, else the CPU, unless the environment variable IMPASTO_DEVICE names another. A
  /// device for each network is named as "unet=cuda,vae=cpu,text_encoder=cpu"; those that are left out are "auto". ControlNets and
  /// IP-Adapters go with the UNet, the safety checker with the VAE, image encoders with the text encoders.
  std::string device = "auto";
  /// Arithmetic of the networks, for all or for each as above: "auto" takes the first of what a device has.
  /// The CPU has "float32", and "bfloat16" for the factors of products and attention, which is faster on AMD's processors with AVX-512 BF16, and
  /// slower on Intel's without AMX, with sums in float32; and "float16", which is float32 but where there is AVX512-FP16: factors and sums of up to
  /// 64 products. Activations stay float32. GPUs have "float16" and "bfloat16" for factors and activations; sums are float32. Weights keep the type
  /// they are stored in on the CPU; GPUs hold them in the type that they compute in.
  std::string dtype = "auto";
  /// Threads of the process-wide pool; 0 takes one per core that the process may run on. Never changes a result.
  int num_threads = 0;
  /// False copies the weights into memory, so that nothing which happens to the files later can matter. True uses them where the files are
  /// mapped: loading is immediate and processes that load the same files share one copy, but a file that another program cuts short
  /// meanwhile ends the process with SIGBUS, as with any mapping. Never changes a result.
  bool map_weights = false;
  /// True holds one network at a time: each is read when a call comes to it and given back when it is done, so the peak is the UNet and its
  /// activations instead of everything. A call takes about as much longer as loading takes. Never changes a result.
  bool low_memory = false;
  ModelParts parts = {};
  /// As TextToImageOptions::should_stop.
  std::function<bool()> should_stop = {};
};

/// A device and its arithmetic by their own names.
struct Device {
  std::string name;   ///< "cpu", "cuda:0"
  std::string dtype;  ///< "float32", "float16", "bfloat16"
};

/// What LoadOptions::device and dtype stand for where one device is meant. Throws as Pipeline::load for those that are not there.
IMPASTO_API Device find_device(const std::string& device = "auto", const std::string& dtype = "auto");

/// How latents become a picture before they are done.
enum class PreviewMethod {
  linear,  ///< a colour for each latent, by the affine map that fits the model's own decoder best, enlarged: rough, and hardly any work
  vae,     ///< the model's decoder: as the final pictures, at their price
  tiny,    ///< the TAESD of ModelParts::preview_vae: nearly as the final pictures, for a fraction of the price
};

/// What a hook sees after a step.
struct StepInfo {
  int step = 0;       ///< 0-based index of the step just done
  int num_steps = 0;  ///< UNet evaluations in all (Heun and PNDM's Runge-Kutta start make more of them than num_inference_steps)
  double timestep = 0;
  /// The latents after the step, [num_images, channels, height / 8, width / 8]; copied on call, so free when not called.
  std::function<HostTensor()> latents;
  /// What each picture looks like so far: the clean latents that the UNet saw in the last ones, as a picture of the size that is drawn. Nothing is
  /// computed when it is not called.
  std::function<std::vector<Image>(PreviewMethod)> preview;
};

enum class StepAction { proceed, cancel };

/// What becomes of pictures that the model's safety checker flags (class StableDiffusionSafetyChecker of diffusers, published with SD 1.x). The
/// caller decides: pictures are never changed unasked. Previews are not looked at.
enum class SafetyPolicy {
  off,    ///< it is not run
  flag,   ///< they are told in TextToImageResult::flagged and left as they are
  blur,   ///< they are shrunk until nothing can be made out, and enlarged again; the result has no latents then
  black,  ///< they are made black, as diffusers does; the result has no latents then
};

/// How prompts are read; docs/prompts.md has the rules.
enum class PromptSyntax {
  plain,    ///< as diffusers: every character is text, and what passes the tokenizer's limit (77 ids) is cut, with a warning in the result
  a1111,    ///< as AUTOMATIC1111's web interface: (a:1.2), (a), [a], BREAK, [a:b:0.5], [a|b]; any length, by chunks of 75
  comfyui,  ///< as ComfyUI: (a:1.2), (a); any length
};
IMPASTO_API const char* to_string(PromptSyntax syntax);                 ///< "plain", "a1111", "comfyui"
IMPASTO_API PromptSyntax prompt_syntax_named(const std::string& name);  ///< throws invalid_argument

/// A picture that a ControlNet of the pipeline follows (Zhang et al., 2023): edges, depth, a pose, as that network was trained on.
struct Control {
  Image image = {};   ///< brought to the size that is drawn by Lanczos' filter
  float scale = 1.f;  ///< controlnet_conditioning_scale: what the network adds is multiplied by it
  double start = 0;   ///< control_guidance_start and _end: from this share of the steps on, up to that one
  double stop = 1;
  /// diffusers' guess_mode: the network sees and leads the prompt's side of guidance alone, its outermost layers by a tenth as much as its middle, so
  /// that it counts for more than the prompt (A1111: "ControlNet is more important").
  bool guess_mode = false;
};

/// What an IP-Adapter of the pipeline shows the UNet beside the text (Ye et al., 2023): the same for all pictures that are drawn.
struct IpAdapterImage {
  std::vector<Image> images = {};  ///< one or more, of any size; CLIP sees the middle square of each
  float scale = 1.f;               ///< how much it counts beside the text; 0 is nothing, below 0 leads away
  /// What the image encoder made of k pictures, instead of them: `image_embeds`, [k, c]; for Plus and Full Face the hidden states before the last
  /// layer, [k, tokens, c].
  std::optional<HostTensor> embeds = {};
  /// The same for the negative prompt's side. Unset: as diffusers makes them, zeros, or for Plus and Full Face what the encoder sees in a picture of
  /// zeros.
  std::optional<HostTensor> negative_embeds = {};
};

/// How what was drawn first is enlarged.
enum class HiresUpscaler {
  latent,   ///< its latents, linearly: blurred, so that a strength above about 0.5 is needed
  lanczos,  ///< the picture, by Lanczos' filter; it is encoded again
};
IMPASTO_API const char* to_string(HiresUpscaler upscaler);  ///< "latent", "lanczos"

/// A second pass over an enlarged picture, so that its composition is that of the model's own size: A1111's hires fix. A `denoising_end` is where the
/// second pass ends; the first is drawn whole.
struct Hires {
  double scale = 2;  ///< 1..8; the sides are rounded down to the grid of latents
  HiresUpscaler upscaler = HiresUpscaler::latent;
  /// That are run in the second pass; 0: as many as in the first. As in A1111, and unlike in ImageToImageOptions, strength takes none of them away.
  int num_inference_steps = 0;
  double strength = 0.7;  ///< above 0 and up to 1: "Denoising strength", how far to go from the enlarged picture
};

struct PictureSize {
  int height = 0, width = 0;  ///< pixels
};
struct PicturePoint {
  int top = 0, left = 0;  ///< pixels
};

/// What a model of the XL kind is told about the picture that is wanted, beside the prompt (Podell et al., 2023): it has learned what pictures look
/// like that were enlarged from a small size, or cropped.
struct MicroConditions {
  std::optional<PictureSize> original_size = {};           ///< unset: that of the picture that is drawn
  std::optional<PicturePoint> crops_coords_top_left = {};  ///< unset: 0, 0, for something that is well within the picture
  std::optional<PictureSize> target_size = {};             ///< unset: that of the picture that is drawn; refiners do not look at it
};

/// Whose random numbers a seed means. Either can be had on any device.
enum class Rng {
  cpu,   ///< torch's on the CPU: diffusers' usual generator, A1111's "RNG: CPU"
  cuda,  ///< torch's on NVIDIA's GPUs, to a few roundings: `torch.Generator("cuda")`, A1111's default and its "RNG: NV"
};
IMPASTO_API const char* to_string(Rng rng);  ///< "cpu", "cuda"

/// One call's settings; names and defaults are diffusers'.
struct TextToImageOptions {
  // What changes the picture.
  std::string prompt;           ///< UTF-8
  std::string negative_prompt;  ///< what guidance leads away from; unused when guidance_scale <= 1
  /// What the second text encoder of SDXL reads, in all pictures, where that is to be another text; empty: the same. Throws unsupported for models
  /// with one text encoder.
  std::string prompt_2 = {}, negative_prompt_2 = {};
  /// Several prompts in one batch, instead of `prompt`: num_images pictures of the first, then of the second, and so on. negative_prompts holds as
  /// many, or none, and then negative_prompt goes with all.
  std::vector<std::string> prompts, negative_prompts;
  /// What a text encoder has made of a prompt, instead of the text (components.h, or another program): [1, tokens, c] for all pictures or
  /// [n, tokens, c], any number of tokens; c is the UNet's cross_attention_dim. Without negative_prompt_embeds the negative prompt is encoded.
  std::optional<HostTensor> prompt_embeds, negative_prompt_embeds;
  /// With those, for SDXL: what the prompt comes to as a whole, [1, c] or [n, c]; c is the second text encoder's projection_dim.
  std::optional<HostTensor> pooled_prompt_embeds = {}, negative_pooled_prompt_embeds = {};
  PromptSyntax prompt_syntax = PromptSyntax::plain;
  /// Words beside those that the text encoder knows (embedding.h). Throws invalid_argument for one that was made for another text encoder.
  std::vector<Embedding> embeddings;
  std::optional<int> num_inference_steps = {};  ///< unset: what is usual for the model (ModelInfo::defaults)
  /// Classifier-free guidance (Ho and Salimans, 2022); on when > 1. Unset: what is usual for the model (ModelInfo::defaults).
  std::optional<float> guidance_scale = {};
  float guidance_rescale = 0.f;  ///< 0..1, section 3.4 of Lin et al., 2023, against over-exposure
  /// Guidance only from this share of the steps on and up to that one, as diffusers' guiders count: step i of n is guided when
  /// int(start * n) <= i < int(stop * n). Outside, the prompt alone is followed, at half the work (Kynkaanniemi et al., 2024).
  float guidance_start = 0.f;
  float guidance_stop = 1.f;
  /// 1: the whole UNet at every step. n: only at every n-th, counted from the walk's first, and where guidance begins or ends or the prompt changes;
  /// its outermost layers alone in between (DeepCache, Ma et al., 2024): faster, with another picture. docs/benchmarks.md says how much of both.
  int deep_cache_interval = 1;
  /// 0..0.75: this share of the tokens at the latents' own size disappears in self-attention, each into one that looks like it (Bolya and Hoffman,
  /// 2023; as tomesd with use_rand=False): faster where pictures are large, with another picture. docs/benchmarks.md says how much of both.
  float token_merging_ratio = 0.f;
  /// Lets the VAE see a picture larger than its own sample size in squares that overlap and fade into each other, as diffusers'
  /// enable_vae_tiling: memory for one square, and a picture that differs a little.
  bool vae_tiling = false;
  /// Between 0 and 1: the walk from noise to a picture ends after this share of it, for another model to go on from `latents` of the result
  /// (ImageToImageOptions::denoising_start): SDXL's base model and its refiner are used so, at 0.8. Counted in the scheduler's timesteps as trained,
  /// as diffusers does.
  std::optional<double> denoising_end = {};
  /// For models of the XL kind; others do not look at it. Where the negative prompt's are unset, they are the prompt's.
  MicroConditions micro_conditions = {}, negative_micro_conditions = {};
  /// For SDXL's refiner, which has learned how well people liked a picture (LAION's aesthetic predictor, 1 to 10), and for the negative prompt's
  /// side.
  float aesthetic_score = 6.f, negative_aesthetic_score = 2.5f;
  float eta = 0.f;  ///< 0..1, DDIM's noise (Song et al., 2020), TCD's gamma; others ignore it
  int height = 0;   ///< pixels, a multiple of 8; 0 takes the model's own size
  int width = 0;
  /// Image k of all is drawn from seed + k, so that it equals the image drawn alone from that seed; unset takes a random seed.
  std::optional<std::uint64_t> seed;
  int num_images = 1;  ///< of each prompt; all are drawn together, in one batch
  /// Draws the noise of all images from one stream, as diffusers does when it is given a single generator: image 0 is the
  /// same either way, the others are not.
  bool shared_generator = false;
  Rng rng = Rng::cpu;
  /// Above 0, up to 1: all pictures are drawn from `seed`, and their first noise is led this far towards that of variation_seed + k for picture k,
  /// along a great circle: A1111's variations. Unset, variation_seed is random.
  float variation_strength = 0.f;
  std::optional<std::uint64_t> variation_seed;
  /// Text encoder layers left out at the end; 1 is A1111's "Clip skip: 2". In plain syntax for the prompt alone, as in diffusers; in the others for
  /// both prompts, as there.
  int clip_skip = 0;
  /// A name that find_scheduler() knows; empty takes the checkpoint's own.
  std::string scheduler;
  /// How noise levels are spread, over what the scheduler's config and name say: "karras", "exponential", "beta", "lu", "uniform" (as trained),
  /// "trailing" or "linspace" timesteps, or what A1111 calls them ("SGM Uniform"); empty or "automatic" changes nothing. A scheduler that does not
  /// know it ignores it, with a warning.
  std::string schedule;
  /// The walk's own path instead of num_inference_steps, one of the two, strictly down: timesteps of the training (ddpm, euler, heun, dpm++_2m,
  /// dpm++_2s, lcm and tcd take them), or noise levels as sigma / alpha, the one that the walk ends at after them (euler). Throws unsupported where
  /// the scheduler takes no such path, invalid_argument for one that does not fit, beside `hires`, and for timesteps beside levels that are spread.
  std::vector<double> timesteps = {}, sigmas = {};
  std::optional<bool> use_karras_sigmas;  ///< true is schedule "karras", false at least not that (Karras et al., 2022); `schedule` wins
  /// One for each ControlNet of the pipeline, in the order of Pipeline::with_controlnets.
  std::vector<Control> controls = {};
  /// One for each IP-Adapter of the pipeline, in the order of Pipeline::with_ip_adapters.
  std::vector<IpAdapterImage> ip_adapter_images = {};
  /// Text to picture only. `height` and `width` are those of the first pass. The second draws its noise from the same seeds anew.
  std::optional<Hires> hires = {};
  /// First latents instead of seeded noise, [num_images, channels, height / 8, width / 8], standard normal.
  std::optional<HostTensor> latents = {};

  // What does not.
  /// Called after each step on the calling thread. Returning `cancel` ends the call with Error{cancelled}.
  std::function<StepAction(const StepInfo&)> on_step = {};
  /// Asked on the calling thread between the operations of the networks, many times a step: must be quick. True ends the call with
  /// Error{cancelled} wherever it is, the text encoder and the decoder included. Empty: only on_step can cancel.
  std::function<bool()> should_stop = {};
  /// Other than `off` needs a model that has a checker, or ModelParts::safety_checker; invalid_argument where there is none.
  SafetyPolicy safety = SafetyPolicy::off;
  bool decode = true;  ///< false leaves `images` empty: only the latents are wanted
};

/// Steps of the walk, before strength takes some away: those of `timesteps` or `sigmas`, else num_inference_steps (50 where it is unset).
IMPASTO_API int inference_steps(const TextToImageOptions& options);

/// Picture to picture (Meng et al., 2021): names and defaults are those of diffusers' StableDiffusionImg2ImgPipeline.
/// width and height: 0 takes the picture's own, rounded down to a multiple of 8; where one is given, the other follows the picture's
/// proportions. The picture is resized to them as Pillow's Lanczos filter does. `latents`, if set, are the noise that is laid over it.
struct ImageToImageOptions : TextToImageOptions {
  Image image = {};
  /// How far to go from the picture, above 0 and up to 1: the share of num_inference_steps that is run, int(num_inference_steps * strength).
  /// At 1 hardly anything of it is left. Unset: what is usual for the model (ModelInfo::defaults).
  std::optional<double> strength = {};
  /// Instead of `image`: latents [1 or num_images, channels, height / 8, width / 8], scaled, as a result has them; they tell the size.
  std::optional<HostTensor> image_latents = {};
  /// Between 0 and 1: the walk begins at this share of it, where denoising_end of another call stopped; nothing is laid over the picture or the
  /// latents, and `strength` is not looked at.
  std::optional<double> denoising_start = {};
  /// Of models that edit pictures (InstructPix2Pix, Brooks et al., 2023), which see the picture beside the latents and begin from noise alone,
  /// whatever the strength: how closely to keep to the picture, as guidance_scale is to the prompt. Guidance is on when it is 1 or more, too.
  float image_guidance_scale = 1.5f;
};

/// What an inpainting looks at while it draws.
enum class InpaintArea {
  whole,   ///< the whole picture
  masked,  ///< the mask's surroundings, at the model's size: more detail in a small part of a large picture
};

/// Pixels on each side.
struct Margins {
  int left = 0, top = 0, right = 0, bottom = 0;
};

/// Part of a picture anew: names and defaults are those of diffusers' StableDiffusionInpaintPipeline where it has them. Works with inpainting
/// models, whose UNet sees the mask, and with ordinary ones, which are led back to the picture around the mask after each step.
/// `image` and size are as in ImageToImageOptions, but the usual `strength` is 1: the masked part begins as pure noise. Where no size is given the
/// result has exactly the picture's. `image_latents` are given beside `image`, not instead of it, and together with `denoising_start`: what another
/// model has drawn up to there with the same picture and mask.
struct InpaintOptions : ImageToImageOptions {
  Image mask_image;          ///< white is repainted, from a brightness of one half; resized to the picture, with a warning, where it differs
  bool invert_mask = false;  ///< black is repainted
  /// Softens the mask: what the model sees is blurred by a Gaussian of this deviation in pixels, 0..256, as by diffusers' mask_processor.blur,
  /// and the seam becomes twice as wide. 0 leaves the mask as it is, and a seam of 4 pixels.
  float mask_blur = 0;
  /// `masked` cuts out the mask's box with `inpaint_padding` pixels around it and in the proportions of width x height (where they are 0: the
  /// model's own size), draws it at that size and puts it back: diffusers' padding_mask_crop.
  InpaintArea inpaint_area = InpaintArea::whole;
  int inpaint_padding = 32;
  /// Keeps the pixels outside the mask (where it is black) byte for byte as they were, and lets the new ones appear gradually from the mask's
  /// edge inwards. False gives what the model's decoder makes of the whole picture, or of the box that was cut out.
  bool keep_unmasked = true;
  /// Grows the picture first and masks what is new: outpainting. mask_image may then be left empty.
  Margins extend;
};

/// Wall-clock seconds of a call's stages.
struct Timings {
  double text_encoder = 0;
  double vae_encoder = 0;     ///< of the picture to start from
  std::vector<double> steps;  ///< one per UNet evaluation, with guidance, scheduler and hook
  double vae_decoder = 0;     ///< all images
};

struct TextToImageResult {
  std::vector<Image> images;
  HostTensor latents;                ///< final latents, [num_images, channels, height / 8, width / 8], as diffusers' output_type="latent"
  std::vector<std::uint64_t> seeds;  ///< one per image
  std::vector<std::uint64_t> variation_seeds = {};  ///< one per image where they are variations, else empty
  std::string scheduler;                            ///< class name of the scheduler used
  bool karras_sigmas = false;                       ///< whether its noise levels were spread so: asked for, and known to this scheduler
  std::string schedule;                             ///< how they were spread, as TextToImageOptions::schedule; empty: as trained
  int height = 0, width = 0;                        ///< that was drawn at, of the first pass; an inpainted picture may have another size
  int num_inference_steps = 0;                      ///< that the walk was divided into, before strength took some away; of the last pass
  std::vector<std::string> controlnets = {};        ///< their paths
  std::vector<std::string> ip_adapters = {};        ///< likewise
  std::vector<bool> flagged = {};                   ///< by the safety checker, one per image; empty where it was not run
  /// Path of the model that went on from denoising_end: set by who had it do that, for infotext().
  std::string refiner = {};
  std::vector<std::string> warnings;  ///< for the user: a prompt that was cut, and where
  Timings timings;
};

/// A file of the checkpoint that holds a network.
struct ComponentInfo {
  std::string name;        ///< "unet", "vae", "text_encoder"
  std::string class_name;  ///< as model_index.json names it
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;           ///< on disk
  std::vector<std::string> dtypes;  ///< of the stored tensors: "float16", ...
  std::string config;               ///< JSON, as a diffusers folder has it in config.json; of single files what was found or derived
};

/// What options come to that are left unset, as diffusers' pipelines for models of a kind have it.
struct DefaultSettings {
  int num_inference_steps = 50;   ///< LCM-distilled models 4
  float guidance_scale = 7.5f;    ///< of text and picture to picture; SDXL 5, LCM-distilled models 8.5
  float inpaint_guidance = 7.5f;  ///< with a mask
  double strength = 0.8;          ///< SDXL 0.3
  double inpaint_strength = 1;    ///< with a mask; SDXL 0.9999
};

struct ModelInfo {
  std::string path;
  std::string tokenizer;       ///< its folder; "" where none was found, so that a prompt cannot be encoded
  ModelParts parts;            ///< as they were asked for
  std::string format;          ///< "diffusers folder", or a single file's: "safetensors"
  std::string pipeline_class;  ///< of diffusers
  std::vector<ComponentInfo> components;
  std::string scheduler;         ///< class name
  std::string scheduler_config;  ///< JSON, with what diffusers' pipelines amend when they load early checkpoints
  std::string prediction_type;   ///< "epsilon", "v_prediction" or "sample"
  int height = 0, width = 0;     ///< the model's own size in pixels
  int latent_channels = 0;
  bool inpainting = false;      ///< its UNet also sees a mask and the picture around it: `Pipeline::inpaint` is all that it can do
  bool editing = false;         ///< its UNet also sees a picture that is to be edited: `Pipeline::image_to_image` is all that it can do
  bool distilled = false;       ///< its UNet is told the guidance scale (LCM) and runs once a step: no negative prompt is looked at
  bool safety_checker = false;  ///< a SafetyPolicy can be followed
  DefaultSettings defaults = {};
  /// Where what the file does not say was taken from, for people: one sentence each.
  std::vector<std::string> notes;
};

/// Reads configs and tensor headers only: quick, and needs no memory for weights. `path` and what is thrown are as for Pipeline::load, but no
/// tokenizer is needed.
IMPASTO_API ModelInfo inspect(const std::string& path, const ModelParts& parts = {});

/// Sets what is unset to the model's defaults, as every call does.
IMPASTO_API void fill_in_defaults(TextToImageOptions& options, const ModelInfo& info);
IMPASTO_API void fill_in_defaults(ImageToImageOptions& options, const ModelInfo& info);
IMPASTO_API void fill_in_defaults(InpaintOptions& options, const ModelInfo& info);

/// Bytes that a process drawing one batch of this size is expected to need at its peak, weights included, on the CPU.
/// Derived from the shapes in the configs; docs/benchmarks.md compares it with what was measured.
IMPASTO_API std::int64_t predicted_peak_memory(const ModelInfo& info, int height, int width, int num_images);

/// Throws what Pipeline::text_to_image would throw for these options alone (size, steps, scheduler, ...; prompts are looked at when they are
/// encoded), or would run out of memory for on the device that `load` names, before the weights have been loaded.
IMPASTO_API void check_options(const TextToImageOptions& options, const ModelInfo& info, const LoadOptions& load = {});
/// The same for Pipeline::image_to_image and Pipeline::inpaint; looks at the pictures too.
IMPASTO_API void check_options(const ImageToImageOptions& options, const ModelInfo& info, const LoadOptions& load = {});
IMPASTO_API void check_options(const InpaintOptions& options, const ModelInfo& info, const LoadOptions& load = {});

struct Components;

/// A loaded checkpoint. Cheap to move, shared by copies; every method is const and may be called from several threads at once.
class IMPASTO_API Pipeline {
 public:
  /// Opens a folder in the diffusers layout (model_index.json and a folder per component), the model that the Hub's cache has under a name
  /// (find_model() in impasto/hub.h; nothing is fetched), or a single file with the networks of Stable Diffusion 1.x, 2.x, XL: its format is told by
  /// its content, its family and whether it inpaints by its tensors' names and shapes.
  /// Throws not_found, bad_file (also when a file changes while it is read), unsupported, out_of_memory (before taking memory that is not
  /// there) or cancelled.
  static Pipeline load(const std::string& path, const LoadOptions& options = {});

  /// Throws invalid_argument for options out of range, out_of_memory before taking memory that is not there,
  /// non_finite when the latents leave the finite numbers, cancelled when a hook said so. After any error the pipeline is as it was.
  TextToImageResult text_to_image(const TextToImageOptions& options) const;

  /// Throws as text_to_image does, and invalid_argument when the picture is too small or fewer than one step would be left of strength.
  /// Noise is drawn in the order of diffusers: the posterior's, then the one laid over the picture, then the steps'.
  TextToImageResult image_to_image(const ImageToImageOptions& options) const;

  /// Throws as image_to_image does, and invalid_argument when nothing is masked.
  /// With shared_generator the noise is that of diffusers with one generator. Without, image k draws all of its noise from seed + k (diffusers
  /// takes the first generator of a list for the encoder's).
  TextToImageResult inpaint(const InpaintOptions& options) const;

  /// Throws what text_to_image would before it draws: invalid_argument, or out_of_memory when the run would not fit.
  void check(const TextToImageOptions& options) const;

  /// This checkpoint on another device, as LoadOptions::device and dtype name it, with the adapters and ControlNets that it has here. Nothing is read
  /// or computed until a network is needed there. Throws unsupported and invalid_argument as load().
  Pipeline with_device(const std::string& device, const std::string& dtype = "auto") const;

  /// This checkpoint with adapters merged into its UNet and text encoder, in place of any that this pipeline has: nothing is read anew and
  /// everything else is shared, so attaching, removing and mixing cost what merging takes. Merged weights are float32, and exact. A file whose
  /// changes partly name layers that the model lacks is used as far as it goes, with a warning in each result.
  /// Throws not_found, io, bad_file (for another model: naming what does not fit), invalid_argument, out_of_memory, cancelled.
  Pipeline with_loras(const std::vector<Lora>& loras) const;

  /// This checkpoint led by ControlNets, in place of any that this pipeline has: folders in the diffusers layout (config.json and weights), or single
  /// files in the original layout or diffusers' names (control_v11p_sd15_canny.pth, .safetensors). Options
  /// must then have as many `controls`. Everything else is shared.
  /// Throws not_found, io, bad_file (for another model: naming what differs), unsupported, out_of_memory, cancelled.
  Pipeline with_controlnets(const std::vector<std::string>& paths) const;

  /// This checkpoint with IP-Adapters, which show it pictures, in place of any that this pipeline has. Options must then have as many
  /// `ip_adapter_images`. Everything else is shared; the UNet stays as it is. Image encoders go with the text encoders.
  /// Throws not_found, io, bad_file (for another model or another image encoder: naming what differs), unsupported (FaceID), out_of_memory,
  /// cancelled.
  Pipeline with_ip_adapters(const std::vector<IpAdapterFile>& files) const;

  /// For the user, in every result of this pipeline: what adapters say that this model does not have.
  const std::vector<std::string>& warnings() const;

  const ModelInfo& info() const;

 private:
  friend IMPASTO_API Components components(const Pipeline& pipeline);  // impasto/components.h
  struct Impl;
  explicit Pipeline(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// What a scheduler is called: {"EulerAncestralDiscreteScheduler", "euler_a", "Euler a"}, ...
struct SchedulerName {
  std::string class_name;
  std::string short_name;
  std::string a1111_name;  ///< of the sampler; where A1111 has none, what it would be
};
IMPASTO_API std::vector<SchedulerName> scheduler_names();

struct NamedScheduler {
  std::string scheduler;  ///< short name
  std::string schedule;   ///< that the name ends in ("DPM++ 2M Karras"), as TextToImageOptions::schedule; empty where it does not
};
/// Understands class names, short names and the names of A1111, ComfyUI and k-diffusion, whatever their case, spaces, "_" and "-".
IMPASTO_API std::optional<NamedScheduler> find_scheduler(const std::string& name);
/// A schedule's name, in any of these programs' words, as TextToImageOptions::schedule; "" for automatic.
IMPASTO_API std::optional<std::string> find_schedule(const std::string& name);

/// "0.1.0"
IMPASTO_API std::string version();

}  // namespace impasto
