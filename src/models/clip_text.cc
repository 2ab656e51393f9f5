#include "models/clip_text.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/fail.h"
#include "models/clip_layer.h"

namespace impasto {

using nn::LayerNorm;

struct ClipText::Layers {
  Tensor token_embedding;     // [vocabulary, hidden], as stored
  Tensor position_embedding;  // [positions, hidden]
  std::vector<ClipLayer> encoder;
  LayerNorm final_layer_norm;

  Layers(const WeightScope& w, const ClipTextConfig& c)
      : token_embedding(Tensor::borrow(w.backend(), (w / "embeddings.token_embedding").stored("weight", {c.vocabulary_size, c.hidden_size}))),
        position_embedding((w / "embeddings.position_embedding").tensor("weight", {c.max_positions, c.hidden_size})),
        final_layer_norm(w / "final_layer_norm", c.hidden_size, c.layer_norm_eps) {
    for (int i = 0; i < c.layers; ++i) encoder.emplace_back(w / "encoder.layers" / i, c);
  }
};

ClipText::ClipText(const ClipTextConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : config_(c), weights_(std::move(weights)), layers_(std::make_unique<const Layers>(WeightScope(*weights_, backend), c)) {}
ClipText::~ClipText() = default;
ClipText::ClipText(ClipText&&) noexcept = default;

/// [ids, hidden]
Tensor ClipText::embed(std::span<const std::int32_t> ids, std::span<const float> new_vectors) const {
  const auto first_new = static_cast<std::int32_t>(config_.vocabulary_size);
  const auto width = static_cast<std::size_t>(config_.hidden_size);
  const auto end = first_new + static_cast<std::int32_t>(new_vectors.size() / width);
  std::vector<std::int32_t> known(ids.begin(), ids.end());
  for (std::int32_t& id : known) id = id >= first_new && id < end ? 0 : id;
  const Tensor x = ops::embed(known, layers_->token_embedding);
  if (std::equal(ids.begin(), ids.end(), known.begin())) return x;
  std::vector<float> values = x.to_host();
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] >= first_new)
      std::copy_n(new_vectors.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(ids[i] - first_new) * width), width,
                  values.begin() + static_cast<std::ptrdiff_t>(i * width));
  return Tensor::from_host(x.backend(), x.shape(), values.data());
}

Tensor ClipText::forward(std::span<const std::int32_t> ids, std::int64_t n, int clip_skip, std::span<const float> new_vectors) const {
  const std::int64_t tokens = static_cast<std::int64_t>(ids.size()) / n;
  if (tokens > config_.max_positions)
    fail(ErrorKind::invalid_argument, tokens, " tokens, but the text encoder has ", config_.max_positions, " positions");
  if (clip_skip < 0 || clip_skip >= config_.layers)
    fail(ErrorKind::invalid_argument, "clip_skip is ", clip_skip, ", allowed is 0 to ", config_.layers - 1, " for this text encoder");
  const Tensor positions = layers_->position_embedding.slice(0, tokens);
  Tensor x = embed(ids, new_vectors).reshape({n, tokens, config_.hidden_size});
  for (std::int64_t i = 0; i < n; ++i) ops::add_into(x.slice(i, 1), positions.reshape({1, tokens, config_.hidden_size}));
  for (int i = 0; i < config_.layers - clip_skip; ++i) x = layers_->encoder[static_cast<std::size_t>(i)](x, /*causal=*/true);
  return layers_->final_layer_norm(x);
}

}  // namespace impasto
