// The text encoder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "models/clip_layer.h"
#include "ops/tensor.h"
#include "weights/reader.h"

namespace impasto {

/// Read from text_encoder/config.json (class CLIPTextModel, or CLIPTextModelWithProjection): CLIP ViT-L for SD 1.x, OpenCLIP ViT-H for SD 2.x, both
/// CLIP ViT-L and OpenCLIP ViT-bigG for SDXL.
struct ClipTextConfig : ClipLayerConfig {
  std::int64_t vocabulary_size = 49408, max_positions = 77;
  int layers = 12;
  std::int64_t projection_size = 0;  // columns of what a prompt comes to as a whole; 0: CLIPTextModel, which has no such output

  static ClipTextConfig parse(const JsonObject& config);
};

/// Radford et al., 2021: a causal transformer; padding is attended to like any token. Immutable once built; safe for several threads.
class ClipText {
 public:
  ClipText(const ClipTextConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~ClipText();
  ClipText(ClipText&&) noexcept;

  const ClipTextConfig& config() const { return config_; }

  /// What is wanted of a text.
  struct Reading {
    int skipped_layers = 0;  ///< left out at the end
    bool final_norm = true;  ///< over the states
    std::span<const float> new_vectors =
        {};                       ///< [k, hidden_size]: ids from vocabulary_size on are rows of it, embeddings of words that it did not know
    std::int32_t pooled_at = -1;  ///< an id: `pooled` is read where it first stands (the end of the text); -1: it is not wanted
  };
  struct Output {
    Tensor states;  ///< [n, tokens, hidden_size], without the layers that are skipped
    Tensor pooled;  ///< [n, projection_size]: of all layers, after the final norm; empty without a projection, or when it is not wanted
  };

  /// ids of n prompts, one after the other, n * tokens in all (tokens <= max_positions).
  Output read(std::span<const std::int32_t> ids, std::int64_t n, const Reading& how) const;
  /// The states alone, after the final norm; clip_skip leaves out that many layers at the end.
  Tensor forward(std::span<const std::int32_t> ids, std::int64_t n, int clip_skip = 0, std::span<const float> new_vectors = {}) const {
    return read(ids, n, {.skipped_layers = clip_skip, .new_vectors = new_vectors}).states;
  }

 private:
  Tensor embed(std::span<const std::int32_t> ids, std::span<const float> new_vectors) const;

  struct Layers;
  ClipTextConfig config_;
  std::shared_ptr<const WeightReader> weights_;
  std::unique_ptr<const Layers> layers_;
};

}  // namespace impasto
