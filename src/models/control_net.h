// A network that makes the UNet follow a picture: edges, depth, a pose.
#pragma once

#include <memory>
#include <vector>

#include "models/unet.h"

namespace impasto {

/// Read from a ControlNet's config.json (class ControlNetModel).
struct ControlNetConfig {
  UNetConfig unet;  // of the half that it shares with the UNet it was made for
  std::int64_t conditioning_channels = 3;
  std::vector<std::int64_t> embedding_channels;  // conditioning_embedding_out_channels; each after the first halves the picture

  /// Throws bad_file for a field out of range, unsupported (naming field and value) for architectures this class does not have.
  static ControlNetConfig parse(const JsonObject& config);
};

/// Zhang et al., 2023. Immutable once built; safe for several threads.
class ControlNet {
 public:
  ControlNet(const ControlNetConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);
  ~ControlNet();

  const ControlNetConfig& config() const { return config_; }

  /// As UNet::condition().
  UNet::Conditioning condition(const UNetContext& context) const;
  /// What the picture contributes, the same at each step: [1, 8h, 8w, 3] in 0..1 to [1, h, w, c].
  Tensor embed(const Tensor& picture) const;
  /// sample [n, h, w, 4], as the UNet sees it, for a conditioning of m images, to what is added to the UNet, `scale` times; `rising`: from a tenth
  /// of it at the first skip to all of it in the middle, in equal ratios. `hint` is embed()'s.
  UNet::Control forward(const Tensor& sample, double timestep, const UNet::Conditioning& context, const Tensor& hint, float scale,
                        bool rising = false) const;
  /// The first UNet::kShallowSkips of its skips alone, for UNet::forward_shallow(): by its outermost layers.
  UNet::Control forward_shallow(const Tensor& sample, double timestep, const UNet::Conditioning& context, const Tensor& hint, float scale,
                                bool rising = false) const;

 private:
  struct Layers;

  /// `skips` [n, ...] become a control of m images; its middle is left empty.
  UNet::Control controls_of(const std::vector<Tensor>& skips, std::int64_t images, float scale, bool rising) const;

  ControlNetConfig config_;
  std::shared_ptr<const WeightReader> weights_;  // packed layers may point into it
  std::unique_ptr<const Layers> layers_;
};

}  // namespace impasto
