#include "pipelines/encode_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/fail.h"
#include "prompts/chunks.h"

namespace impasto {
namespace {

bool weighted(const Chunk& chunk) {
  return std::any_of(chunk.weights.begin(), chunk.weights.end(), [](float weight) { return weight != 1; });
}

/// The chunks one after the other, [1, chunks * 77, c] as [chunks, 77, c].
Tensor encode_chunks(const TextReader& reader, const std::vector<Chunk>& chunks, int clip_skip) {
  std::vector<std::int32_t> ids;
  for (const Chunk& chunk : chunks) ids.insert(ids.end(), chunk.ids.begin(), chunk.ids.end());
  return reader.encoder.forward(ids, static_cast<std::int64_t>(chunks.size()), clip_skip, reader.new_vectors);
}

double mean(std::span<const float> values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

/// A row of `states` [tokens, c] times its weight, then everything times what brings the mean back to what it was.
void emphasize(std::span<float> states, const std::vector<float>& weights) {
  const std::size_t channels = states.size() / weights.size();
  const double before = mean(states);
  for (std::size_t i = 0; i < states.size(); ++i) states[i] *= weights[i / channels];
  const double factor = before / mean(states);
  if (!std::isfinite(factor)) fail(ErrorKind::invalid_argument, "the prompt's weights leave nothing of it, or too much");
  for (float& state : states) state *= static_cast<float>(factor);
}

/// empty + weight * (state - empty), a row of [tokens, c] after the other.
void interpolate(std::span<float> states, const std::vector<float>& weights, std::span<const float> empty) {
  const std::size_t channels = states.size() / weights.size();
  for (std::size_t i = 0; i < states.size(); ++i)
    if (const float weight = weights[i / channels]; weight != 1) states[i] = (states[i] - empty[i]) * weight + empty[i];
}

/// All chunks in a row, [1, chunks * 77, c].
Tensor in_a_row(const Tensor& states, std::int64_t chunks) { return states.slice(0, chunks).reshape({1, chunks * states.dim(1), states.dim(2)}); }

Tensor encode_a1111(const TextReader& reader, const std::string& text, int clip_skip) {
  const std::vector<Chunk> chunks = a1111_chunks(reader.tokenizer, parse_a1111(text));
  const auto n = static_cast<std::int64_t>(chunks.size());
  const Tensor states = encode_chunks(reader, chunks, clip_skip);
  if (std::none_of(chunks.begin(), chunks.end(), weighted)) return in_a_row(states, n);
  std::vector<float> values = states.to_host();
  const std::size_t each = values.size() / chunks.size();
  for (std::size_t i = 0; i < chunks.size(); ++i)
    if (weighted(chunks[i])) emphasize(std::span(values).subspan(i * each, each), chunks[i].weights);
  return in_a_row(Tensor::from_host(states.backend(), states.shape(), values.data()), n);
}

Tensor encode_comfyui(const TextReader& reader, const std::string& text, int clip_skip) {
  std::vector<Chunk> chunks = comfyui_chunks(reader.tokenizer, parse_comfyui(text));
  const auto n = static_cast<std::int64_t>(chunks.size());
  const bool none = std::none_of(chunks.begin(), chunks.end(), weighted);
  if (!none) chunks.push_back(comfyui_chunks(reader.tokenizer, {}).front());  // the empty prompt
  const Tensor states = encode_chunks(reader, chunks, clip_skip);
  if (none) return in_a_row(states, n);
  std::vector<float> values = states.to_host();
  const std::size_t each = values.size() / chunks.size();
  const std::span<const float> empty = std::span(values).last(each);
  for (std::size_t i = 0; i + 1 < chunks.size(); ++i) interpolate(std::span(values).subspan(i * each, each), chunks[i].weights, empty);
  return in_a_row(Tensor::from_host(states.backend(), states.shape(), values.data()), n);
}

}  // namespace

EncodedText encode_text(const TextReader& reader, const std::string& text, PromptSyntax syntax, int clip_skip) {
  switch (syntax) {
    case PromptSyntax::a1111: return {encode_a1111(reader, text, clip_skip), {}};
    case PromptSyntax::comfyui: return {encode_comfyui(reader, text, clip_skip), {}};
    default: break;
  }
  Encoding encoding = reader.tokenizer.encode_padded(text);
  return {reader.encoder.forward(encoding.ids, 1, clip_skip, reader.new_vectors), std::move(encoding.cut)};
}

}  // namespace impasto
