// From one layout, format or element type of a model to another.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "impasto/api.h"
#include "impasto/pipeline.h"

namespace impasto {

struct ConvertOptions {
  /// As for loading: another VAE, text encoder or prediction type becomes part of what is written.
  ModelParts parts = {};
  /// Element type of the tensors written: "float32", "float16" or "bfloat16"; empty keeps each as it is stored. In GGUF files also "q8_0" and "q4_0",
  /// for the matrices of the UNet and the text encoder.
  std::string dtype = {};
  /// Bytes of tensors written so far, and in all. Called on the calling thread.
  std::function<void(std::int64_t done, std::int64_t total)> on_progress = {};
  /// As TextToImageOptions::should_stop.
  std::function<bool()> should_stop = {};
};

struct ConvertResult {
  std::string format;                 ///< of what was written: "safetensors", "GGUF", "diffusers folder"
  std::int64_t bytes = 0;             ///< of its tensors, before any packing
  std::vector<std::string> warnings;  ///< what could not be taken along
};

/// Writes the model at `path` (anything that Pipeline::load takes) to `output`, whole or not at all: a single file in the original layout where its
/// name ends in ".safetensors" or ".gguf" (or in capitals), with the configs in its metadata; a folder in the diffusers layout otherwise, which must
/// not exist or be empty. A file with a VAE or a text encoder alone becomes a ".safetensors" file with the same tensors' names. A file that was there
/// is replaced; it may be the model itself. What is written draws the same latents, bit for bit, unless dtype says otherwise. Throws as
/// Pipeline::load, and io (naming the bytes needed when the disk has too little room), unsupported for a dtype that is not known or too small for a
/// value, invalid_argument for an output that is there or whose ending is that of another kind of file (".sft").
IMPASTO_API ConvertResult convert(const std::string& path, const std::string& output, const ConvertOptions& options = {});

}  // namespace impasto
