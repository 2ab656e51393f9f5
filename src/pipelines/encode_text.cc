#include "pipelines/encode_text.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/fail.h"
#include "ops/ops.h"
#include "prompts/chunks.h"

namespace impasto {
namespace {

bool weighted(const Chunk& chunk) {
  return std::any_of(chunk.weights.begin(), chunk.weights.end(), [](float weight) { return weight != 1; });
}

/// States of the chunks one after the other, [chunks, 77, c], and what the first of them comes to as a whole.
ClipText::Output encode_chunks(const TextReader& reader, const std::vector<Chunk>& chunks, const TextReading& how) {
  std::vector<std::int32_t> ids;
  for (const Chunk& chunk : chunks) ids.insert(ids.end(), chunk.ids.begin(), chunk.ids.end());
  ClipText::Output output = reader.encoder.read(ids, static_cast<std::int64_t>(chunks.size()),
                                                {.skipped_layers = how.clip_skip + (how.penultimate ? 1 : 0),
                                                 .final_norm = !how.penultimate,
                                                 .new_vectors = reader.new_vectors,
                                                 .pooled_at = reader.tokenizer.clip().end_id()});
  if (output.pooled) output.pooled = output.pooled.slice(0, 1);
  return output;
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

/// `chunks` of the states in a row, [1, chunks * 77, c].
Tensor in_a_row(const Tensor& states, std::int64_t chunks) { return states.slice(0, chunks).reshape({1, chunks * states.dim(1), states.dim(2)}); }

std::vector<Chunk> chunks_of(const TextReader& reader, const std::string& text, PromptSyntax syntax, std::string& cut) {
  if (syntax == PromptSyntax::a1111) return a1111_chunks(reader.tokenizer, parse_a1111(text));
  if (syntax == PromptSyntax::comfyui) return comfyui_chunks(reader.tokenizer, parse_comfyui(text));
  Encoding encoding = reader.tokenizer.encode_padded(text);
  if (cut.empty()) cut = std::move(encoding.cut);
  return {{std::move(encoding.ids), {}}};
}

/// [1, chunks * 77, c]
ClipText::Output encode(const TextReader& reader, std::vector<Chunk> chunks, const TextReading& how) {
  const auto n = static_cast<std::int64_t>(chunks.size());
  const bool interpolated = how.syntax == PromptSyntax::comfyui && std::any_of(chunks.begin(), chunks.end(), weighted);
  if (interpolated) chunks.push_back(comfyui_chunks(reader.tokenizer, {}).front());  // the empty prompt
  ClipText::Output output = encode_chunks(reader, chunks, how);
  if (std::any_of(chunks.begin(), chunks.end(), weighted)) {
    std::vector<float> values = output.states.to_host();
    const std::size_t each = values.size() / chunks.size();
    const std::span<const float> empty = std::span(values).last(each);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const std::span<float> states = std::span(values).subspan(i * each, each);
      if (interpolated)
        interpolate(states, chunks[i].weights, empty);
      else if (weighted(chunks[i]))
        emphasize(states, chunks[i].weights);
    }
    output.states = Tensor::from_host(output.states.backend(), output.states.shape(), values.data());
  }
  output.states = in_a_row(output.states, n);
  return output;
}

}  // namespace

EncodedText encode_text(std::span<const TextReader> readers, std::span<const std::string> texts, const TextReading& how) {
  EncodedText all;
  std::vector<std::vector<Chunk>> chunks;
  std::size_t most = 0;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    chunks.push_back(chunks_of(readers[i], texts[i], how.syntax, all.cut));
    most = std::max(most, chunks.back().size());
  }
  for (std::size_t i = 0; i < readers.size(); ++i) {
    while (chunks[i].size() < most) chunks[i].push_back(chunks_of(readers[i], "", how.syntax, all.cut).front());
    const ClipText::Output output = encode(readers[i], std::move(chunks[i]), how);
    all.context = all.context ? ops::concat_columns(all.context, output.states) : output.states;
    if (output.pooled) all.pooled = output.pooled;
  }
  return all;
}

}  // namespace impasto
