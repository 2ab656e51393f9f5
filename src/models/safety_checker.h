// Which pictures are not to be shown: the checker that Stable Diffusion 1.x was published with (class StableDiffusionSafetyChecker of diffusers).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/clip_vision.h"
#include "weights/reader.h"

namespace impasto {

/// Read from safety_checker/config.json.
struct SafetyCheckerConfig {
  ClipVisionConfig vision;

  /// Throws bad_file, unsupported.
  static SafetyCheckerConfig parse(const JsonObject& config);
};

/// Compares what CLIP sees in a picture with concepts that it must not be near. Immutable once built; safe for several threads.
class SafetyChecker {
 public:
  /// Throws bad_file, naming what is missing or has another shape.
  SafetyChecker(const SafetyCheckerConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend);

  /// How far a picture is on the wrong side of each concept's threshold, rounded to three digits as the reference does; above 0 is too near. Being
  /// too near to one of the special ones moves the other thresholds by 0.01.
  struct Scores {
    std::vector<float> special, concepts;
    bool flagged() const;
  };
  /// `pixels`: as ClipVision::embed takes them.
  Scores score(const std::vector<float>& pixels) const;

  /// Of the pictures that it takes, in pixels.
  std::int64_t side() const { return vision_.config().image_size; }

 private:
  struct Concepts {
    std::int64_t count = 0;
    std::vector<float> vectors;     // [count, projection_size], of length 1
    std::vector<float> thresholds;  // [count]
  };
  static Concepts read(const WeightReader& weights, Backend& backend, const std::string& name, std::int64_t width);
  std::vector<float> compare(const std::vector<float>& embedding, const Concepts& with, float adjustment) const;

  std::shared_ptr<const WeightReader> weights_;
  ClipVision vision_;
  Concepts special_, concepts_;
};

}  // namespace impasto
