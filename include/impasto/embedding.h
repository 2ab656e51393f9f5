// Textual inversion (Gal et al., 2022): words that a text encoder did not know, each one vector or several.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "impasto/api.h"

namespace impasto {

struct Embedding {
  /// What stands for it in a prompt, as a whole word and in any case: the file's name without its extension, and the word that diffusers wrote
  /// into the file. In ComfyUI's syntax "embedding:" goes before it.
  std::vector<std::string> names;
  std::string source;  ///< the file, for messages
  struct Tensor {
    std::string name;             ///< in the file: "emb_params", "clip_l", ...
    std::int64_t vectors, width;  ///< width is the text encoder's hidden_size
    std::vector<float> values;    ///< [vectors, width]
  };
  std::vector<Tensor> tensors;  ///< one, or one for each text encoder of the model that it was made for
};

/// Reads a .safetensors, .pt or .bin file as A1111, diffusers or kohya-ss's trainers write it: one tensor [n, c] or [c] of any name, or clip_l and
/// clip_g for SDXL; n is at most 75. Throws not_found, io, and bad_file for what is no embedding.
IMPASTO_API Embedding read_embedding(const std::string& path);

/// The files in a folder and its subfolders whose names without extensions are words of the text. Throws not_found for a folder that is
/// not there, invalid_argument when several files have a name that occurs.
IMPASTO_API std::vector<std::string> find_embeddings(const std::string& folder, const std::string& text);

}  // namespace impasto
