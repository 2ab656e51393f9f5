// Which networks a checkpoint may hold: the one visible list.
#pragma once

#include <string>
#include <vector>

namespace impasto {

struct ModelEntry {
  std::string component;     // folder of the checkpoint: "unet"
  std::string class_name;    // as model_index.json and config.json name it
  std::string weights_stem;  // file name without its ending
};

const std::vector<ModelEntry>& supported_models();

/// The entry for a component; throws unsupported naming the component, the class found and the classes supported.
const ModelEntry& model_entry(const std::string& component, const std::string& class_name);

}  // namespace impasto
