// The way back: networks under our names as a single file has them.
#pragma once

#include <string>
#include <vector>

namespace impasto {

/// A tensor of a single file, and the tensors of ours that it consists of, one after the other along the first dimension.
struct OriginalTensor {
  std::string name;
  std::vector<std::string> parts;
};

/// Of all of a network's tensors; what has no place in such a file is left out. CLIP's names for SD 1.x, OpenCLIP's for SD 2.x.
std::vector<OriginalTensor> original_unet(const std::vector<std::string>& ours);
std::vector<OriginalTensor> original_vae(const std::vector<std::string>& ours);
std::vector<OriginalTensor> original_clip(const std::vector<std::string>& ours);
std::vector<OriginalTensor> original_open_clip(const std::vector<std::string>& ours);

}  // namespace impasto
