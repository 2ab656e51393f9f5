// The text encoder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "models/clip_layer.h"
#include "ops/tensor.h"
#include "weights/reader.h"

namespace impasto {

/// Read from text_encoder/config.json (class CLIPTextModel): CLIP ViT-L for SD 1.x, OpenCLIP ViT-H for SD 2.x.
struct ClipTextConfig : ClipLayerConfig {
  std::int64_t vocabulary_size = 49408, max_positions = 77;
  int layers = 12;

  static ClipTextConfig parse(const JsonObject& config);
};

/// Radford et al., 2021: a causal transformer; padding is attended to like any token. Immutable once built; safe for several threads.
class ClipText {
 public:
  ClipText(const ClipTextConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~ClipText();
  ClipText(ClipText&&) noexcept;

  const ClipTextConfig& config() const { return config_; }

  /// ids of n prompts, one after the other, n * tokens in all (tokens <= max_positions); result [n, tokens, hidden_size], after the final
  /// norm. clip_skip leaves out that many layers at the end. Ids from vocabulary_size on are rows of `new_vectors` [k, hidden_size]: embeddings of
  /// words that it did not know.
  Tensor forward(std::span<const std::int32_t> ids, std::int64_t n, int clip_skip = 0, std::span<const float> new_vectors = {}) const;

 private:
  Tensor embed(std::span<const std::int32_t> ids, std::span<const float> new_vectors) const;

  struct Layers;
  ClipTextConfig config_;
  std::shared_ptr<const WeightReader> weights_;
  std::unique_ptr<const Layers> layers_;
};

}  // namespace impasto
