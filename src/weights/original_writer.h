// The way back: networks under our names as a single file has them.
#pragma once

#include <string>
#include <vector>

namespace impasto {

/// A tensor of a single file, and the tensors of ours that it consists of, one after the other along the first dimension.
struct OriginalTensor {
  std::string name;
  std::vector<std::string> parts;
  bool transposed = false;  ///< rows and columns exchanged; of one part
};

/// Of all of a network's tensors; what has no place in such a file is left out. CLIP's names for SD 1.x and
/// SDXL's first text encoder, OpenCLIP's for SD 2.x and SDXL's second.
std::vector<OriginalTensor> original_unet(const std::vector<std::string>& ours);
std::vector<OriginalTensor> original_vae(const std::vector<std::string>& ours);
std::vector<OriginalTensor> original_clip(const std::vector<std::string>& ours, const std::string& prefix = "cond_stage_model.transformer.");
std::vector<OriginalTensor> original_open_clip(const std::vector<std::string>& ours, const std::string& prefix = "cond_stage_model.model.");

}  // namespace impasto
