// Low-rank adapters: small files that change a checkpoint's weights.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/lora_names.h"
#include "weights/reader.h"

namespace impasto {

/// What a file says about one weight: its tensors by part (see LoraName).
struct LoraModule {
  std::map<std::string, std::string, std::less<>> tensors;  // part -> name in the file
};

/// An adapter file, its header read. LoRA (Hu et al., 2021) with and without convolutions, LoHa, LoKr and whole differences (LyCORIS,
/// Yeh et al., 2024), each with DoRA's magnitudes (Liu et al., 2024) or without.
class LoraFile {
 public:
  /// Throws not_found, io, bad_file; bad_file also when no tensor has the name that one of an adapter would have.
  static LoraFile open(const std::string& path);

  const std::string& path() const { return path_; }
  const WeightReader& reader() const { return *reader_; }
  /// By flattened path.
  const std::map<std::string, LoraModule, std::less<>>& modules(AdaptedNetwork network) const { return modules_[static_cast<std::size_t>(network)]; }
  /// Puts our names in the place of the original repository's ("input_blocks_1_1_proj_in") in the UNet's modules. `unet`: its tensors under our
  /// names, which tell how blocks are counted. Throws bad_file when two modules would be one.
  void rename_original_modules(const std::vector<std::string>& unet);
  /// Tensors whose name means nothing to us.
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  std::string path_;
  std::shared_ptr<const WeightReader> reader_;
  std::array<std::map<std::string, LoraModule, std::less<>>, 3> modules_;  // by AdaptedNetwork
  std::vector<std::string> unknown_;
};

}  // namespace impasto
