#include "models/clip_text.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/fail.h"
#include "models/clip_layer.h"

namespace impasto {

using nn::LayerNorm;
using nn::Linear;

struct ClipText::Layers {
  Tensor token_embedding;     // [vocabulary, hidden], as stored
  Tensor position_embedding;  // [positions, hidden]
  std::vector<ClipLayer> encoder;
  LayerNorm final_layer_norm;
  std::optional<Linear> text_projection;

  Layers(const WeightScope& w, const ClipTextConfig& c)
      : token_embedding(Tensor::stored(w.backend(), (w / "embeddings.token_embedding").stored("weight", {c.vocabulary_size, c.hidden_size}))),
        position_embedding((w / "embeddings.position_embedding").tensor("weight", {c.max_positions, c.hidden_size})),
        final_layer_norm(w / "final_layer_norm", c.hidden_size, c.layer_norm_eps) {
    for (int i = 0; i < c.layers; ++i) encoder.emplace_back(w / "encoder.layers" / i, c);
    if (c.projection_size > 0) text_projection.emplace(w / "text_projection", c.hidden_size, c.projection_size, /*bias=*/false);
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

namespace {

/// Of states [n, tokens, c] the row where `id` first stands, [n, c].
Tensor rows_at(const Tensor& states, std::span<const std::int32_t> ids, std::int32_t id) {
  const std::int64_t tokens = states.dim(1), width = states.dim(2);
  const std::vector<float> values = states.to_host();
  std::vector<float> rows;
  for (std::int64_t i = 0; i < states.dim(0); ++i) {
    const auto text = ids.subspan(static_cast<std::size_t>(i * tokens), static_cast<std::size_t>(tokens));
    const auto place = std::find(text.begin(), text.end(), id) - text.begin();
    if (place == tokens) fail(ErrorKind::invalid_argument, "a text has no id ", id, ", which ends it");
    const auto row = values.begin() + (i * tokens + place) * width;
    rows.insert(rows.end(), row, row + width);
  }
  return Tensor::from_host(states.backend(), {states.dim(0), width}, rows.data());
}

}  // namespace

ClipText::Output ClipText::read(std::span<const std::int32_t> ids, std::int64_t n, const Reading& how) const {
  const std::int64_t tokens = static_cast<std::int64_t>(ids.size()) / n;
  if (tokens > config_.max_positions)
    fail(ErrorKind::invalid_argument, tokens, " tokens, but the text encoder has ", config_.max_positions, " positions");
  if (how.skipped_layers < 0 || how.skipped_layers >= config_.layers)
    fail(ErrorKind::invalid_argument, "clip_skip leaves out ", how.skipped_layers, " layers, allowed is 0 to ", config_.layers - 1,
         " for this text encoder");
  const Tensor positions = layers_->position_embedding.slice(0, tokens);
  Tensor x = embed(ids, how.new_vectors).reshape({n, tokens, config_.hidden_size});
  for (std::int64_t i = 0; i < n; ++i) ops::add_into(x.slice(i, 1), positions.reshape({1, tokens, config_.hidden_size}));
  const int wanted = config_.layers - how.skipped_layers;
  for (int i = 0; i < wanted; ++i) x = layers_->encoder[static_cast<std::size_t>(i)](x, /*causal=*/true);
  Output out{how.final_norm ? layers_->final_layer_norm(x) : x, {}};
  if (!layers_->text_projection || how.pooled_at < 0) return out;
  for (int i = wanted; i < config_.layers; ++i) x = layers_->encoder[static_cast<std::size_t>(i)](x, /*causal=*/true);
  out.pooled = (*layers_->text_projection)(rows_at(layers_->final_layer_norm(x), ids, how.pooled_at));
  return out;
}

}  // namespace impasto
