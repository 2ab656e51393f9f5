// TAESD: a small autoencoder that stands in for the VAE, quicker and rougher (class AutoencoderTiny, https://github.com/madebyollin/taesd).
#pragma once

#include <cstdint>
#include <vector>

#include "core/json.h"
#include "nn/layers.h"
#include "weights/reader.h"

namespace impasto {

/// Read from its config.json.
struct TinyVaeConfig {
  static constexpr int kMostBlocks = 64;  // of a level

  std::int64_t latent_channels = 4, channels = 64;
  std::vector<int> encoder_blocks{1, 3, 3, 3};  // of each level, from the picture's side
  std::vector<int> decoder_blocks{3, 3, 3, 1};  // to the picture's side

  /// Throws bad_file, unsupported (naming field and value).
  static TinyVaeConfig parse(const JsonObject& config);
};

/// Three convolutions and a way around them.
struct TinyVaeBlock {
  nn::Conv2d conv_0, conv_2, conv_4;

  TinyVaeBlock(const WeightScope& w, std::int64_t channels);
  Tensor operator()(const Tensor& x) const;
};

/// A convolution and the blocks behind it.
struct TinyVaeLevel {
  nn::Conv2d conv;
  std::vector<TinyVaeBlock> blocks;
};

/// latents [n, h, w, c], as the UNet has them, to [n, 8h, 8w, 3] in -1..1.
class TinyDecoder {
 public:
  TinyDecoder(const WeightScope& root, const TinyVaeConfig& config);
  Tensor operator()(const Tensor& latents) const;

 private:
  std::vector<TinyVaeLevel> levels_;
  std::vector<nn::Conv2d> conv_out_;  // one
};

/// [n, H, W, 3] in -1..1 to latents [n, H/8, W/8, c].
class TinyEncoder {
 public:
  TinyEncoder(const WeightScope& root, const TinyVaeConfig& config);
  Tensor operator()(const Tensor& image) const;

 private:
  std::vector<TinyVaeLevel> levels_;
  std::vector<nn::Conv2d> conv_out_;  // one
};

/// The tensors of a file in our names, which are diffusers' ("decoder.layers.0.weight"), from those or the original ("1.weight" of
/// taesd_decoder, "decoder.1.weight"); empty when it holds none. The encoder may be missing.
NameMap find_tiny_vae(const WeightReader& file);
/// What its config.json would say.
JsonObject derived_tiny_vae_config(const WeightReader& weights);

}  // namespace impasto
