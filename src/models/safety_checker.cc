#include "models/safety_checker.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"

namespace impasto {
namespace {

/// In a checkpoint a CLIPVisionModel, whose own network is one level further down, stands under this name; newer writers leave out a level.
WeightScope vision_scope(const WeightReader& weights, Backend& backend) {
  const WeightScope root(weights, backend, "vision_model");
  const WeightScope inner = root / "vision_model";
  return (inner / "embeddings").has("class_embedding") ? inner : root;
}

void normalise(float* vector, std::int64_t count) {
  double squares = 0;
  for (std::int64_t i = 0; i < count; ++i) squares += static_cast<double>(vector[i]) * vector[i];
  const auto length = static_cast<float>(std::max(std::sqrt(squares), 1e-12));
  for (std::int64_t i = 0; i < count; ++i) vector[i] /= length;
}

bool any_above_zero(const std::vector<float>& scores) {
  return std::any_of(scores.begin(), scores.end(), [](float s) { return s > 0; });
}

}  // namespace

SafetyChecker::Concepts SafetyChecker::read(const WeightReader& weights, Backend& backend, const std::string& name, std::int64_t width) {
  const auto thresholds = weights.describe(name + "_weights");
  if (!thresholds || thresholds->shape.rank() != 1)
    fail(ErrorKind::bad_file, weights.where(), ": holds no ", name, "_weights, a threshold for each concept of a safety checker");
  const WeightScope w(weights, backend);
  Concepts out;
  out.count = thresholds->shape[0];
  out.thresholds = w.tensor(name + "_weights", {out.count}).to_host();
  out.vectors = w.tensor(name, {out.count, width}).to_host();
  for (std::int64_t i = 0; i < out.count; ++i) normalise(out.vectors.data() + i * width, width);
  return out;
}

SafetyChecker::SafetyChecker(const SafetyCheckerConfig& c, std::shared_ptr<const WeightReader> weights, Backend& backend)
    : weights_(std::move(weights)),
      vision_(vision_scope(*weights_, backend), WeightScope(*weights_, backend, "visual_projection"), c.vision),
      special_(read(*weights_, backend, "special_care_embeds", c.vision.projection_size)),
      concepts_(read(*weights_, backend, "concept_embeds", c.vision.projection_size)) {}

std::vector<float> SafetyChecker::compare(const std::vector<float>& embedding, const Concepts& with, float adjustment) const {
  const auto width = static_cast<std::int64_t>(embedding.size());
  std::vector<float> scores;
  for (std::int64_t i = 0; i < with.count; ++i) {
    double cosine = 0;
    for (std::int64_t j = 0; j < width; ++j)
      cosine += static_cast<double>(embedding[static_cast<std::size_t>(j)]) * with.vectors[static_cast<std::size_t>(i * width + j)];
    const double score = cosine - with.thresholds[static_cast<std::size_t>(i)] + adjustment;
    scores.push_back(static_cast<float>(std::nearbyint(score * 1000) / 1000));
  }
  return scores;
}

SafetyChecker::Scores SafetyChecker::score(const std::vector<float>& pixels) const {
  std::vector<float> embedding = vision_.embed(pixels).to_host();
  normalise(embedding.data(), static_cast<std::int64_t>(embedding.size()));
  Scores scores;
  scores.special = compare(embedding, special_, 0);
  scores.concepts = compare(embedding, concepts_, any_above_zero(scores.special) ? 0.01f : 0.0f);
  return scores;
}

bool SafetyChecker::Scores::flagged() const { return any_above_zero(concepts); }

}  // namespace impasto
