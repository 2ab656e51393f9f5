// The parts that take pictures as prompts on their own: see components.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "impasto/components.h"
#include "impasto/image.h"

namespace impasto {

/// What looks at pictures for IP-Adapters (class CLIPVisionModelWithProjection of transformers). As UNetModel in all that is not said.
class IMPASTO_API ImageEncoderModel {
 public:
  static ImageEncoderModel load(const std::string& folder, const LoadOptions& options = {});

  /// A picture as it is taken: [1, 3, side, side], as transformers' CLIPImageProcessor makes it.
  HostTensor clip_input(const Image& image) const;
  /// clip_input [n, 3, side, side] to the pictures as wholes (`image_embeds`), [n, projection_dim].
  HostTensor embeds(const TensorRef& clip_input, const ShouldStop& should_stop = {}) const;
  /// The same to the hidden states before the last layer, [n, tokens, hidden_size].
  HostTensor states(const TensorRef& clip_input, const ShouldStop& should_stop = {}) const;

  ImageEncoderModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit ImageEncoderModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// An IP-Adapter (Ye et al., 2023). As UNetModel in all that is not said.
class IMPASTO_API IpAdapterModel {
 public:
  /// A file as IpAdapterFile::path. `unet_config` is the text of the config.json of the UNet that it is for. Throws bad_file for another's.
  static IpAdapterModel load_file(const std::string& path, const std::string& unet_config, const LoadOptions& options = {});
  /// Its tensors, "image_proj.NAME" and "ip_adapter.NAME".
  static IpAdapterModel from_weights(const std::string& unet_config, const GivenWeights& weights, const LoadOptions& options = {});

  bool takes_states() const;  ///< whether embeddings are ImageEncoderModel::states(), not embeds()

  /// Of k pictures for each of n images, embeds [n, k, c], or [n, k, tokens, c] where it takes states, to what the cross-attentions of a UNet of n
  /// images attend to beside the text. `scales`: how much it counts, for all of them or for each, in the order of cross_attention_names(). Throws
  /// invalid_argument for shapes that do not fit.
  ShownPictures show(const TensorRef& embeds, const std::vector<float>& scales, const ShouldStop& should_stop = {}) const;

  IpAdapterModel with_device(const std::string& device, const std::string& dtype = "auto") const;
  void unload() const;

  struct Impl;
  explicit IpAdapterModel(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const Impl> impl_;
};

/// Of a UNet's config.json: its cross-attentions as diffusers names them ("down_blocks.0.attentions.0.transformer_blocks.0.attn2").
IMPASTO_API std::vector<std::string> cross_attention_names(const std::string& unet_config);

}  // namespace impasto
