// A model as it is written: one file in the original layout, or a folder in the diffusers layout.
#pragma once

#include <map>
#include <string>

#include "pipelines/checkpoint.h"
#include "weights/writer.h"

namespace impasto {

/// A network's tensors by our names.
using NetworkTensors = std::map<std::string, TensorToWrite>;

struct ModelToWrite {
  FoundModel model;                   ///< configs, scheduler, tokenizer
  Checkpoint checkpoint;              ///< the same, parsed
  std::vector<NetworkTensors> texts;  ///< of the model's texts
  NetworkTensors unet, vae;

  std::uint64_t bytes() const;
};

/// The networks' tensors as a single file has them. Throws unsupported where tensors that one there consists of have different types.
std::vector<TensorToWrite> single_file_tensors(const ModelToWrite& model);
/// What a single file's metadata say, so that nothing has to be guessed when it is read: "impasto.unet" and so on hold the configs.
std::map<std::string, std::string> single_file_metadata(const ModelToWrite& model);

/// Throws io, not_found when there is no tokenizer, invalid_argument when there is something at `path` already.
void write_model_folder(const std::string& path, const ModelToWrite& model, const WriteProgress& progress);

}  // namespace impasto
