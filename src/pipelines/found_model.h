// A model's networks as they were found, before their configs are parsed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "impasto/pipeline.h"
#include "weights/original_layout.h"
#include "weights/reader.h"

namespace impasto {

struct FoundNetwork {
  std::string class_name;
  std::optional<JsonObject> config;
  std::shared_ptr<const WeightReader> weights;  ///< null: not found
  bool derived = false;                         ///< the config follows from the tensors' shapes alone

  explicit operator bool() const { return weights != nullptr; }
};

inline constexpr const char* kSecondTextEncoder = "text_encoder_2";

/// A text encoder, with the tokenizer that goes with it.
struct FoundText {
  std::string name;  ///< of its folder: "text_encoder", "text_encoder_2"
  FoundNetwork network;
  std::string tokenizer_folder;  ///< empty: none was found
  std::string tokenizer_pad;     ///< a token to pad with, whatever the folder says; empty: as it says
};

struct FoundModel {
  std::string format, pipeline_class;
  std::vector<FoundText> texts;  ///< their states stand beside each other in the UNet's context, in this order
  FoundNetwork unet, vae;
  std::optional<JsonObject> scheduler;  ///< amended_scheduler's
  bool zeros_for_no_prompt = false;     ///< an empty negative prompt is led by zeros, not by what the text encoders make of it
  bool has_safety_checker = false;      ///< as the index says; it may not have been downloaded
  FoundNetwork safety_checker;          ///< where it is there
  std::vector<std::string> notes;       ///< see ModelInfo
  std::vector<std::string> warnings;    ///< what was assumed: for every result
};

/// What `path` holds, with `parts` in their places. Throws as Pipeline::load.
FoundModel find_model(const std::string& path, const ModelParts& parts);

/// A folder in the diffusers layout; networks that `parts` replaces are not opened. Throws not_found, bad_file, unsupported.
FoundModel find_in_folder(const std::string& path, const ModelParts& parts);

/// A single file. Throws likewise.
FoundModel find_in_file(const std::string& path, const ModelParts& parts);

/// Puts the networks, the tokenizer and the prediction type that `parts` names in the place of the model's. Throws likewise.
void replace_parts(FoundModel& model, const ModelParts& parts);

/// A VAE: a file, or a folder in the diffusers layout, of it alone or of a whole model. Throws likewise.
FoundNetwork find_vae(const std::string& path);

/// A safety checker: a folder of it alone or of a whole model. Throws likewise.
FoundNetwork find_safety_checker(const std::string& path);

/// A text encoder in a file, without layers that nobody runs; `config` empty: derived from its tensors.
FoundNetwork text_encoder_in(const std::shared_ptr<const WeightReader>& file, NameMap names, bool open_clip, std::optional<JsonObject> config);

/// Whether a UNet's config is that of a model of the XL kind (UNetConfig::added_channels).
bool is_xl(const FoundNetwork& unet);

/// A component's folder, with config.json and weights. `class_name`: of model_index.json; empty where config.json alone says it.
FoundNetwork open_component(const std::string& folder, const std::string& component, const std::string& class_name);

/// The scheduler's config as diffusers' Stable Diffusion pipelines amend it when they load: some early checkpoints leave out that timesteps start
/// at 1 and that latents are not clipped, which DDIM and DDPM do unless told not to. Those of the XL kind they leave as they are. `class_name`: where
/// the config does not say it.
JsonObject amended_scheduler(const JsonObject& stored, const std::string& class_name, bool xl);

}  // namespace impasto
