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

/// Configs parsed and checked against each other, headers of the weight files read; no weight has been touched until
/// copy_weights() or a network asks.
struct Checkpoint {
  ModelInfo info;
  std::string tokenizer_folder;  ///< empty: none was found
  std::string tokenizer_pad;     ///< see FoundModel
  ClipTextConfig text_encoder;
  UNetConfig unet;
  VaeConfig vae;
  std::optional<VaeConfig> preview_vae;  ///< a TAESD
  JsonObject scheduler;
  std::shared_ptr<const WeightReader> text_encoder_weights, unet_weights, vae_weights, preview_vae_weights;
  bool has_safety_checker = false;  ///< as the model says; it may not be there
  std::optional<SafetyCheckerConfig> safety_checker;
  std::shared_ptr<const WeightReader> safety_checker_weights;
  std::vector<std::string> warnings;  ///< for every result drawn with it

  /// `name` is a folder, a single file, or the name of a model in the Hub's cache. Throws not_found, bad_file or unsupported; see Pipeline::load.
  static Checkpoint open(const std::string& name, const ModelParts& parts = {});
  /// Of a model that was found at `path`.
  Checkpoint(const FoundModel& model, const std::string& path, const ModelParts& parts);

  /// Puts memory of their own in the place of the mapped files. Throws out_of_memory when it is not there, cancelled, bad_file, io.
  void copy_weights();
  /// Throws bad_file when a mapped file was cut or rewritten since it was opened.
  void require_unchanged() const;

 private:
  void open_preview_vae(const std::string& name);
};

}  // namespace impasto
