// The autoencoder between pictures and latents.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/json.h"
#include "models/tiny_vae.h"
#include "ops/tensor.h"
#include "weights/reader.h"

namespace impasto {

/// Read from vae/config.json (class AutoencoderKL, or AutoencoderTiny).
struct VaeConfig {
  std::int64_t in_channels = 3, out_channels = 3, latent_channels = 4;
  std::vector<std::int64_t> channels;  // per level, from the picture's side
  int resnets = 2;                     // per encoder level; a decoder level has one more
  int groups = 32;
  double scaling_factor = 0.18215;  // what the UNet sees is latents times this
  std::int64_t sample_size = 512;   // side of the pictures it was trained on
  bool quant_conv = true, post_quant_conv = true;
  bool force_upcast = true;           // where diffusers looks at it (SDXL): activations may leave float16's range
  std::optional<TinyVaeConfig> tiny;  // for AutoencoderTiny, of which the fields above tell no more than size and scale

  /// Whether a picture is encoded as a distribution of latents, to be drawn from, rather than as latents.
  bool has_posterior() const { return !tiny; }

  /// Pixels per latent along a side: 8 for four levels.
  std::int64_t scale() const { return std::int64_t{1} << (channels.size() - 1); }
  /// Side of the squares that large pictures are cut into, in latents.
  std::int64_t tile_side() const { return std::max<std::int64_t>(4, sample_size / scale()); }

  static VaeConfig parse(const JsonObject& config);
};

/// Kingma and Welling, 2014; Esser et al., 2021. The halves are built and held apart: drawing from text needs no encoder.
/// Immutable once built; safe for several threads.
class VaeDecoder {
 public:
  VaeDecoder(const VaeConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~VaeDecoder();
  VaeDecoder(VaeDecoder&&) noexcept;

  /// latents [n, h, w, latent_channels], already divided by scaling_factor, on any backend; result [n, 8h, 8w, out_channels], about -1..1.
  Tensor forward(const Tensor& latents) const;

 private:
  struct Layers;
  Backend* backend_;
  std::shared_ptr<const WeightReader> weights_;
  std::unique_ptr<const Layers> layers_;  // or
  std::unique_ptr<const TinyDecoder> tiny_;
};

class VaeEncoder {
 public:
  VaeEncoder(const VaeConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~VaeEncoder();
  VaeEncoder(VaeEncoder&&) noexcept;

  /// The posterior of a picture [n, H, W, in_channels] in -1..1, on any backend, and it on the same: mean and log variance, [n, H/8, W/8, 2 *
  /// latent_channels], mean first, the log variance not yet clamped to -30..20; for AutoencoderTiny it is -30, next to no variance. Sides off the
  /// grid of 8 lose their last rows and columns.
  Tensor forward(const Tensor& image) const;

 private:
  struct Layers;
  Tensor encode(const Tensor& image) const;

  Backend* backend_;
  std::shared_ptr<const WeightReader> weights_;
  std::unique_ptr<const Layers> layers_;  // or
  std::unique_ptr<const TinyEncoder> tiny_;
};

}  // namespace impasto
