// The denoiser of Stable Diffusion.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "nn/transformer_block.h"
#include "ops/replayed.h"
#include "weights/reader.h"

namespace impasto {

/// One level of the UNet, counted from the picture's side.
struct UNetLevel {
  std::int64_t channels = 0;
  int resnets = 2;             // per down block; the up block has one more
  int heads = 8;               // of its attentions
  int transformer_layers = 1;  // per attention
  bool down_attention = false, up_attention = false;
};

/// Read from unet/config.json (class UNet2DConditionModel); a variant of the family is a difference in these numbers.
struct UNetConfig {
  std::int64_t in_channels = 4, out_channels = 4;
  std::int64_t context_channels = 0;  // cross_attention_dim
  std::int64_t sample_size = 64;      // latents' side that the model was trained at
  std::vector<UNetLevel> levels;
  int groups = 32;
  float norm_eps = 1e-5f;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  /// Of models that are told more than a text (SDXL; Podell et al., 2023), else 0: columns of what is added to the timestep's embedding, and those of
  /// each number in it (projection_class_embeddings_input_dim, addition_time_embed_dim).
  std::int64_t added_channels = 0, added_id_channels = 0;
  /// Of models that are told how strong guidance is meant to be, instead of being guided (distilled: Meng et al., 2023; LCM, Luo et al., 2023), else
  /// 0: numbers that say it (time_cond_proj_dim).
  std::int64_t guidance_channels = 0;

  /// Whether it sees the latents of a picture beside its own, and changes that (InstructPix2Pix; Brooks et al., 2023).
  bool edits_pictures() const { return in_channels == 2 * out_channels; }
  std::int64_t time_channels() const { return 4 * levels[0].channels; }
  /// Whether a guidance scale means that the UNet runs under a negative prompt, too.
  bool guided_at(float scale) const { return scale > 1 && guidance_channels == 0; }

  /// Throws bad_file for a field out of range, unsupported (naming field and value) for architectures this class does not have.
  static UNetConfig parse(const JsonObject& config);
};

/// What leads a UNet: one entry for each image.
struct UNetContext {
  Tensor states;  ///< of texts, [n, tokens, context_channels]
  // Where the config has added_channels, else empty:
  Tensor pooled = {};  ///< what the texts come to as a whole, [n, c]
  Tensor ids = {};     ///< numbers about the pictures ("time ids" to diffusers), [n, k], k being as many as fill added_channels
  /// Where the config has guidance_channels, as many ("timestep_cond" to diffusers), for all images; empty: nothing is said.
  std::vector<float> guidance = {};

  UNetContext slice(std::int64_t begin, std::int64_t count) const;
};
/// The images of both; REQUIRES: as many tokens.
UNetContext concat_images(const UNetContext& a, const UNetContext& b);

/// Ronneberger et al., 2015, with attention to the prompt as in Rombach et al., 2022. Immutable once built; safe for several threads.
class UNet {
 public:
  /// What a context contributes, the same at each step.
  struct Conditioning {
    std::vector<nn::KeyValue> attentions;  ///< of every cross-attention
    Tensor added;                          ///< to the timestep's embedding, [n, time_channels]; empty where the config has no added_channels
    std::vector<float> guidance = {};      ///< to the timestep's sinusoids, or empty

    bool empty() const { return attentions.empty(); }
    std::size_t pictures() const { return empty() ? 0 : attentions.front().pictures.size(); }  ///< beside the text, in every cross-attention as many
    std::int64_t images() const { return attentions.front().key.dim(0); }
    Conditioning slice(std::int64_t begin, std::int64_t count) const;
  };
  /// Called with a stage's name in the checkpoint ("down_blocks.0") and its output [n, h, w, c].
  using Observer = std::function<void(std::string_view stage, const Tensor& output)>;

  /// What ControlNets add (Zhang et al., 2023): to each skip, in the order in which the way down leaves them, and to the middle. m images each.
  struct Control {
    std::vector<Tensor> skips;
    Tensor mid;
  };

  /// What else an evaluation may take and give.
  struct Forward {
    Observer observe = {};
    Tensor* deep = nullptr;  ///< gets what forward_shallow() wants
    const Control* control = nullptr;
    float token_merging_ratio = 0;  ///< of the self-attentions at the latents' own size (nn::TokenMerging), as tomesd's max_downsample=1
  };

  UNet(const UNetConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~UNet();
  UNet(UNet&&) noexcept;

  const UNetConfig& config() const { return config_; }

  /// Throws invalid_argument when pooled and ids do not fill the config's added_channels, or guidance its guidance_channels.
  Conditioning condition(const UNetContext& context) const;
  /// sample [n, h, w, in_channels] to [m, h, w, out_channels], for a conditioning of m images; any h and w. sample may be on any backend. m is a
  /// multiple of n: guidance asks for the same latents under two prompts, whose images are one until the first cross-attention.
  Tensor forward(const Tensor& sample, double timestep, const Conditioning& context, const Forward& more) const;
  Tensor forward(const Tensor& sample, double timestep, const Conditioning& context) const;

  /// The same by the first level's outermost layers alone, what comes from below being left from an earlier timestep (DeepCache, Ma et al.,
  /// 2024). `deep` is forward()'s, for as many images; equal to forward() at that call's own sample, timestep and control. Of a control's skips the
  /// first kShallowSkips are looked at.
  Tensor forward_shallow(const Tensor& sample, double timestep, const Conditioning& context, const Tensor& deep, float token_merging_ratio = 0,
                         const Control* control = nullptr) const;
  static constexpr std::size_t kShallowSkips = 2;

 private:
  struct Layers;

  /// forward() of a timestep's sinusoids, [1, c].
  Tensor evaluate(const Tensor& sample, const Tensor& sinusoids, const Conditioning& conditioning, const Forward& more) const;

  UNetConfig config_;
  Backend* backend_;
  std::shared_ptr<const WeightReader> weights_;  // packed layers may point into it
  std::unique_ptr<const Layers> layers_;
  std::unique_ptr<Replayed> replayed_;  // a cache
};

}  // namespace impasto
