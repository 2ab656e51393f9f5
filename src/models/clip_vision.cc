#include "models/clip_vision.h"

namespace impasto {

ClipVision::ClipVision(const WeightScope& w, const WeightScope& projection, const ClipVisionConfig& c)
    : config_(c),
      class_embedding_((w / "embeddings").tensor("class_embedding", {c.hidden_size})),
      position_embedding_((w / "embeddings.position_embedding").tensor("weight", {c.patches() + 1, c.hidden_size})),
      before_(w / "pre_layrnorm", c.hidden_size, c.layer_norm_eps),  // [sic]
      after_(w / "post_layernorm", c.hidden_size, c.layer_norm_eps),
      projection_(projection, c.hidden_size, c.projection_size, /*bias=*/false) {
  TensorView patches = (w / "embeddings.patch_embedding").stored("weight", {c.hidden_size, 3, c.patch_size, c.patch_size});
  patches.shape = {c.hidden_size, c.patch_values()};
  patches.row_stride = c.patch_values();
  patch_embedding_ = w.backend().pack_linear(patches, {}, /*gated=*/false);
  for (int i = 0; i < c.layers; ++i) layers_.emplace_back(w / "encoder.layers" / i, c);
}

Tensor ClipVision::states(const std::vector<float>& pixels, std::size_t layers) const {
  const std::int64_t side = config_.image_size, patch = config_.patch_size, across = side / patch;
  std::vector<float> rows;  // [patches, 3 * patch * patch], as the convolution's weights lie
  rows.reserve(static_cast<std::size_t>(config_.patches() * config_.patch_values()));
  for (std::int64_t p = 0; p < config_.patches(); ++p)
    for (std::int64_t line = 0; line < 3 * patch; ++line) {
      const auto from = pixels.begin() + ((line / patch * side + p / across * patch + line % patch) * side + p % across * patch);
      rows.insert(rows.end(), from, from + patch);
    }
  Backend& backend = class_embedding_.backend();
  const std::int64_t width = config_.hidden_size;
  const Tensor patches = ops::linear(Tensor::from_host(backend, {config_.patches(), config_.patch_values()}, rows.data()), *patch_embedding_, width);
  Tensor x =
      ops::add(ops::concat_images(class_embedding_.reshape({1, width}), patches), position_embedding_).reshape({1, config_.patches() + 1, width});
  x = before_(x);
  for (std::size_t i = 0; i < layers; ++i) x = layers_[i](x, /*causal=*/false);
  return x;
}

Tensor ClipVision::embed(const std::vector<float>& pixels) const {
  const Tensor x = states(pixels, layers_.size());
  return projection_(after_(x.reshape({config_.patches() + 1, config_.hidden_size}).slice(0, 1)));
}

}  // namespace impasto
