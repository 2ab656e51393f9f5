// A checkpoint's parts on their own, for callers that have a loop of their own: what diffusers calls unet, vae, text_encoder, tokenizer and
// scheduler. Everything is float32 on the host; feature maps are NCHW, as diffusers has them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "impasto/api.h"
#include "impasto/embedding.h"
#include "impasto/pipeline.h"

namespace impasto {

/// A dense float32 tensor that the caller keeps alive during the call.
struct TensorRef {
  std::vector<std::int64_t> shape;
  const float* values = nullptr;
};

/// Asked between operations, on the calling thread; true ends the call with Error{cancelled}. Empty: never asked.
using ShouldStop = std::function<bool()>;

/// Weights that are in memory already, under the names that diffusers gives them ("conv_in.weight").
struct GivenWeights {
  enum class Type { float32, float16, bfloat16 };
  struct Tensor {
    std::string name;
    Type type = Type::float32;
    std::vector<std::int64_t> shape;
    const void* values = nullptr;  ///< dense, aligned for the type
  };
  std::vector<Tensor> tensors;
  /// Keeps the values alive. They are read now and, where they need no repacking, as long as the model lives: they must not change.
  std::shared_ptr<void> owner;
};

/// What an IP-Adapter shows a UNet (picture_components.h).
class IMPASTO_API ShownPictures {
 public:
  struct Impl;
  explicit ShownPictures(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  friend class UNetModel;
  std::shared_ptr<const Impl> impl_;
};

/// What a network is led by, one entry for each image of its sample.
struct UNetTexts {
  UNetTexts(TensorRef states) : encoder_hidden_states(std::move(states)) {}  // NOLINT(google-explicit-constructor): most models take no more
  UNetTexts(TensorRef states, TensorRef pooled, TensorRef ids)
      : encoder_hidden_states(std::move(states)), text_embeds(std::move(pooled)), time_ids(std::move(ids)) {}

  TensorRef encoder_hidden_states;  ///< [n, tokens, c]
  // Of networks whose addition_embed_type is text_time (Stable Diffusion XL), else left empty:
  TensorRef text_embeds;  ///< what the texts come to as a whole, [n, c]
  TensorRef time_ids;     ///< numbers about the pictures, [n, 6], or [n, 5] for a refiner: MicroConditions in this order, or a score last
  /// Of UNets whose config has time_cond_proj_dim (LCM), or empty: an embedding of the guidance scale, [n, time_cond_proj_dim], the same for all
  /// images.
  TensorRef timestep_cond = {};
  /// Beside the texts, of UNets alone: each for as many images.
  std::vector<ShownPictures> pictures = {};
};

/// What ControlNets add to a UNet (Zhang et al., 2023), NCHW with as many images as the UNet's sample.
struct UNetResiduals {
  std::vector<TensorRef> down;  ///< to each skip, in the order in which the way down leaves them; empty: nothing is added
  TensorRef mid;                ///< to the middle
};

/// What one walk from noise to a picture may give up for speed, and what it keeps from step to step for that. From one thread at a time.
class IMPASTO_API UNetWalk {
 public:
  /// As in TextToImageOptions. Throws invalid_argument for values out of range.
  explicit UNetWalk(int deep_cache_interval = 1, float token_merging_ratio = 0);

  struct Impl;

 private:
  friend class UNetModel;
  std::shared_ptr<Impl> impl_;
};

/// The denoiser (class UNet2DConditionModel). Copies share everything; every method is const and may be called from several threads.
class IMPASTO_API UNetModel {
 public:
  /// A folder with config.json and weights. Throws as Pipeline::load.
  static UNetModel load(const std::string& folder, const LoadOptions& options = {});
  /// `config` is the text of a config.json. Throws bad_file for a tensor that is missing or has another shape, unsupported.
  static UNetModel from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options = {});

  /// sample [n, in_channels, h, w], any h and w, and `texts` of n images to [n, out_channels, h, w]. Where the second half
  /// of the sample repeats the first, as it does under guidance, what does not depend on the text is computed once. What depends on
  /// the text alone is kept for the next call with equal texts (of the last four different ones).
  /// Throws invalid_argument for shapes that do not fit, out_of_memory, cancelled.
  HostTensor forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const ShouldStop& should_stop = {}) const;
  HostTensor forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const UNetResiduals& residuals,
                     const ShouldStop& should_stop = {}) const;
  /// The next step of a walk. Where the texts or the sample's shape are others than at the step before, what `walk` kept is computed anew. With a
  /// deep_cache_interval the steps in between look at the first two residuals alone.
  HostTensor forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const UNetResiduals& residuals, UNetWalk& walk,
                     const ShouldStop& should_stop = {}) const;

  /// On another device (LoadOptions::device and dtype, of one network), where it is built when it is first called. Throws unsupported,
  /// invalid_argument.
  UNetModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  /// Gives back the device's memory; the next call builds the network anew. Copies share this, too. Calls that are running are not disturbed.
  void unload() const;

  struct Impl;
  explicit UNetModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// What the config.json of a network in a single file would say; `component` is "vae" or "controlnet". `folder`: the config of such a network, or of
/// the model that it is for, in the diffusers layout; empty: a config.json beside the file, or else what the tensors' shapes tell and, for the rest,
/// what is so in the published models of SD 1.x and 2.x. Throws as Pipeline::load.
IMPASTO_API std::string config_of_file(const std::string& component, const std::string& path, const std::string& folder = {});

/// A ControlNet's answer: what UNetResiduals refer to.
struct ControlNetOutput {
  std::vector<HostTensor> down;
  HostTensor mid;
};

/// A network that makes a UNet follow a picture (class ControlNetModel). As UNetModel in all that is not said.
class IMPASTO_API ControlNetModel {
 public:
  static ControlNetModel load(const std::string& folder, const LoadOptions& options = {});
  /// A single file in diffusers' or the first releases' layout; `config` is config_of_file()'s.
  static ControlNetModel load_file(const std::string& path, const std::string& config, const LoadOptions& options = {});
  static ControlNetModel from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options = {});

  /// sample [n, in_channels, h, w] and texts as the UNet gets them, and the picture that is followed,
  /// controlnet_cond [n or 1, 3, 8h, 8w] in 0..1, to what is added to the UNet, `scale` times.
  ControlNetOutput forward(const TensorRef& sample, double timestep, const UNetTexts& texts, const TensorRef& controlnet_cond, float scale = 1,
                           const ShouldStop& should_stop = {}) const;

  ControlNetModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit ControlNetModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// The autoencoder (class AutoencoderKL). As UNetModel in all that is not said.
class IMPASTO_API VaeModel {
 public:
  static VaeModel load(const std::string& folder, const LoadOptions& options = {});
  /// A single file, of it alone or of a whole model; `config` is config_of_file()'s.
  static VaeModel load_file(const std::string& path, const std::string& config, const LoadOptions& options = {});
  static VaeModel from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options = {});

  /// latents [n, latent_channels, h, w], already divided by scaling_factor, to pixels [n, 3, 8h, 8w], about -1..1. One image at a time.
  /// `tiled`: what is larger than the VAE's own sample size in squares that overlap and fade into each other, as diffusers' enable_tiling.
  HostTensor decode(const TensorRef& latents, const ShouldStop& should_stop = {}, bool tiled = false) const;
  /// pixels [n, 3, H, W] in -1..1 to the posterior's mean and log variance, [n, 2 * latent_channels, H/8, W/8], mean first.
  HostTensor encode(const TensorRef& pixels, const ShouldStop& should_stop = {}, bool tiled = false) const;
  /// What latents [n, latent_channels, h, w], not divided, look like in the rough: pictures of 8w x 8h pixels by PreviewMethod::linear, whose map is
  /// fitted at the first call.
  std::vector<Image> preview(const TensorRef& latents, const ShouldStop& should_stop = {}) const;

  VaeModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit VaeModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// The safety checker (class StableDiffusionSafetyChecker of diffusers). As UNetModel in all that is not said.
class IMPASTO_API SafetyModel {
 public:
  static SafetyModel load(const std::string& folder, const LoadOptions& options = {});

  /// A picture as the checker takes it: [1, 3, side, side], as transformers' CLIPImageProcessor makes it.
  HostTensor clip_input(const Image& image) const;
  /// Whether it flags pictures, clip_input [n, 3, side, side].
  std::vector<bool> flags(const TensorRef& clip_input, const ShouldStop& should_stop = {}) const;

  SafetyModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit SafetyModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

class Tokenizer;
class TextModel;

/// How encode_prompt() reads a text: docs/prompts.md.
struct PromptReading {
  PromptSyntax syntax = PromptSyntax::plain;
  int clip_skip = 0;  ///< layers of the text encoders left out at the end
  /// The states before the layer that is then the last, without the final norm, as Stable Diffusion XL takes them.
  bool penultimate = false;
};

/// A text, and what reads it. A model with several text encoders has one for each, whose states stand beside each other in the context.
struct PromptPart {
  const Tokenizer& tokenizer;
  const TextModel& text_encoder;
  std::string text;
  /// Words beside those that this text encoder knows. Throws invalid_argument for one that was made for another text encoder.
  std::vector<Embedding> embeddings = {};
};

struct EncodedPromptText {
  HostTensor context;  ///< [1, tokens, c], c being hidden_size, or the sum of them: 77 tokens in plain syntax, 77 for each chunk in the others
  HostTensor pooled;   ///< what the text comes to as a whole, [1, projection_dim], by the last text encoder with a projection; empty without
  std::string cut;     ///< plain: the part of the text that did not fit
};

/// A text as the UNet takes it. Throws invalid_argument for what is no text or too long, and unsupported for a prompt that changes on the way
/// ([a:b:0.5] in a1111), which is not one context.
IMPASTO_API EncodedPromptText encode_prompt(std::span<const PromptPart> parts, const PromptReading& how = {}, const ShouldStop& should_stop = {});
IMPASTO_API EncodedPromptText encode_prompt(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text,
                                            const PromptReading& how = {}, const ShouldStop& should_stop = {});

/// A prompt for a walk of some steps, in the course of which it may change ([a:b:0.5] and [a|b] in a1111).
struct EncodedPromptTurns {
  std::vector<HostTensor> contexts;  ///< each as EncodedPromptText::context
  std::vector<HostTensor> pooled;    ///< for each context; see EncodedPromptText::pooled
  std::vector<std::uint32_t> turns;  ///< the context of each step
  std::string cut;                   ///< as in EncodedPromptText
};
/// Throws invalid_argument for what is no text, too long, or changes into too much.
IMPASTO_API EncodedPromptTurns encode_prompt_turns(std::span<const PromptPart> parts, int num_steps, const PromptReading& how = {},
                                                   const ShouldStop& should_stop = {});
IMPASTO_API EncodedPromptTurns encode_prompt_turns(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text, int num_steps,
                                                   const PromptReading& how = {}, const ShouldStop& should_stop = {});

/// A text encoder (class CLIPTextModel or CLIPTextModelWithProjection). As UNetModel in all that is not said.
class IMPASTO_API TextModel {
 public:
  static TextModel load(const std::string& folder, const LoadOptions& options = {});
  static TextModel from_weights(const std::string& config, const GivenWeights& weights, const LoadOptions& options = {});

  /// ids of n prompts of equal length, one after the other, to [n, tokens, hidden_size], after the final norm. clip_skip leaves out that many
  /// layers at the end. Throws invalid_argument for ids or lengths that the model does not have.
  HostTensor forward(std::span<const std::int32_t> ids, std::int64_t n, int clip_skip = 0, const ShouldStop& should_stop = {}) const;
  /// What n prompts come to as a whole, [n, projection_dim]: the projection where the id `end` first stands in each. Throws unsupported for models
  /// without a projection.
  HostTensor pooled(std::span<const std::int32_t> ids, std::int64_t n, std::int32_t end, const ShouldStop& should_stop = {}) const;

  TextModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit TextModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  friend struct PromptReader;
  std::shared_ptr<const Impl> impl_;
};

/// CLIP's tokenizer.
class IMPASTO_API Tokenizer {
 public:
  static Tokenizer load(const std::string& folder);

  struct Encoding {
    std::vector<std::int32_t> ids;  ///< start, tokens, end
    std::string cut;                ///< the part of the text that did not fit; empty when all did, and when nothing is cut
  };
  /// Without a limit or padding. Throws invalid_argument for text that is not UTF-8 or beyond 64 KiB.
  Encoding encode(const std::string& text) const;
  /// Cut and padded to max_length().
  Encoding encode_padded(const std::string& text) const;
  int max_length() const;
  std::int32_t start_id() const;
  std::int32_t end_id() const;
  std::int32_t pad_id() const;

  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  friend struct PromptReader;
  std::shared_ptr<const Impl> impl_;
};

/// A scheduler's walk from noise to a picture: it holds where the walk is, so use one for each picture or batch, from one thread at a time.
/// Tensors may have any shape whose first dimension counts images.
class IMPASTO_API Sampler {
 public:
  /// Standard normal noise of a shape.
  using Noise = std::function<HostTensor(const std::vector<std::int64_t>& shape)>;

  /// `config` is the text of a scheduler_config.json; `name` (of `scheduler_names`) wins over its "_class_name". Fields that belong to other
  /// schedulers are ignored. Throws unsupported, bad_file.
  explicit Sampler(const std::string& config, const std::string& name = {});

  /// Begins a new walk. Throws invalid_argument when n is out of range.
  void set_timesteps(int num_inference_steps);
  /// The same over timesteps of one's own, strictly downwards; DDPM, Euler, Heun, DPM-Solver (single and multistep), LCM and TCD take them, others
  /// throw unsupported. Throws invalid_argument for those that do not fit.
  void set_own_timesteps(const std::vector<double>& timesteps);
  /// Over noise levels of one's own, with the one that the walk ends at, 0 for none; Euler alone takes them.
  void set_own_sigmas(const std::vector<double>& sigmas);
  const std::vector<double>& timesteps() const;  ///< what the UNet is called with, in order
  const std::vector<double>& sigmas() const;     ///< noise levels where the algorithm works with them, the last after them; else empty
  int order() const;                             ///< network calls for each step that set_timesteps was asked for
  double init_noise_sigma() const;               ///< what standard normal latents are multiplied by to begin
  HostTensor scale_model_input(const TensorRef& sample, int step) const;
  /// The latents after step `step`, an index into timesteps(), from the UNet's output there. Throws invalid_argument.
  HostTensor step(const TensorRef& model_output, int step, const TensorRef& sample, const Noise& noise, double eta = 0);
  /// The clean latents that a UNet's output at a step speaks of, by the config's prediction_type: what a preview shows.
  HostTensor predicted_clean(const TensorRef& model_output, int step, const TensorRef& sample) const;
  /// Clean latents brought to the noise level of a step.
  HostTensor add_noise(const TensorRef& clean, const TensorRef& noise, int step) const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

/// torch's generator: the same seed gives the numbers of torch.randn, on the CPU to 2e-6, on a GPU to a few roundings. From one thread at a time.
class IMPASTO_API Generator {
 public:
  explicit Generator(std::uint64_t seed, Rng rng = Rng::cpu);
  /// The next n standard normal numbers, as torch.randn(n) draws them.
  std::vector<float> randn(std::int64_t n);

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

/// What reads a prompt.
struct TextComponent {
  std::string name;  ///< "text_encoder", "text_encoder_2"
  Tokenizer tokenizer;
  TextModel encoder;
};

/// What a pipeline is made of, sharing its weights.
struct Components {
  std::vector<TextComponent> texts;  ///< one at least; SDXL's base model has two, its refiner the second one alone
  UNetModel unet;
  VaeModel vae;
};
IMPASTO_API Components components(const Pipeline& pipeline);

}  // namespace impasto
