// A model as it lies on disk: which networks it holds, their configs and their files.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/json.h"
#include "impasto/pipeline.h"
#include "models/clip_text.h"
#include "models/safety_checker.h"
#include "models/unet.h"
#include "models/vae.h"
#include "pipelines/found_model.h"
#include "weights/reader.h"

namespace impasto {

/// A text encoder of a checkpoint; see FoundText.
struct TextPart {
  std::string name;
  ClipTextConfig config;
  std::shared_ptr<const WeightReader> weights;
  std::string tokenizer_folder, tokenizer_pad;
};

/// Configs parsed and checked against each other, headers of the weight files read; no weight has been touched until
/// copy_weights() or a network asks.
struct Checkpoint {
  ModelInfo info;
  std::vector<TextPart> texts;  ///< one at least
  UNetConfig unet;
  VaeConfig vae;
  std::optional<VaeConfig> preview_vae;  ///< a TAESD
  JsonObject scheduler;
  std::shared_ptr<const WeightReader> unet_weights, vae_weights, preview_vae_weights;
  bool zeros_for_no_prompt = false;  ///< see FoundModel
  bool has_safety_checker = false;   ///< as the model says; it may not be there
  std::optional<SafetyCheckerConfig> safety_checker;
  std::shared_ptr<const WeightReader> safety_checker_weights;
  std::vector<std::string> warnings;  ///< for every result drawn with it

  /// `name` is a folder, a single file, or the name of a model in the Hub's cache. Throws not_found, bad_file or unsupported; see Pipeline::load.
  static Checkpoint open(const std::string& name, const ModelParts& parts = {});
  /// Of a model that was found at `path`.
  Checkpoint(const FoundModel& model, const std::string& path, const ModelParts& parts);

  /// Whether the UNet is led by states from before the text encoders' last layer, without their final norm; else from after it.
  bool reads_penultimate_layer() const { return unet.added_channels > 0; }
  /// How many layers clip_skip may leave out.
  int most_clip_skip() const;
  /// Columns of what a text comes to as a whole, and how many numbers about the picture the UNet takes; 0 and 0 for most.
  std::int64_t pooled_channels() const { return unet.added_channels > 0 ? texts.back().config.projection_size : 0; }
  std::int64_t num_picture_ids() const;

  /// Puts memory of their own in the place of the mapped files. Throws out_of_memory when it is not there, cancelled, bad_file, io.
  void copy_weights();
  /// Throws bad_file when a mapped file was cut or rewritten since it was opened.
  void require_unchanged() const;

 private:
  void open_preview_vae(const std::string& name);
};

}  // namespace impasto
