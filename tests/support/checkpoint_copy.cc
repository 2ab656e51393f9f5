#include "support/checkpoint_copy.h"

#include <cstring>
#include <fstream>

#include "weights/reader.h"

namespace impasto::test {
namespace fs = std::filesystem;

CheckpointCopy::CheckpointCopy(const std::string& name) : path_(folder_.path(name)) {
  fs::copy(test_checkpoint(name), path_, fs::copy_options::recursive);
}

std::string CheckpointCopy::weights(const std::string& component) const {
  return component + (component == "text_encoder" ? "/model.safetensors" : "/diffusion_pytorch_model.safetensors");
}

void CheckpointCopy::edit(const std::string& file, const Json& changes) const {
  Json value = read_json(path(file));
  value.merge_patch(changes);
  overwrite(file, value.dump());
}

void CheckpointCopy::overwrite(const std::string& file, std::string_view content) const {
  std::ofstream(path(file), std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

std::string CheckpointCopy::poison(const std::string& component) const {
  const std::string file = path(weights(component));
  const std::string leaf = component == "text_encoder" ? "final_layer_norm.weight" : "conv_out.weight";
  const auto reader = open_safetensors(file);
  for (const std::string& name : reader->names()) {
    if (!name.ends_with(leaf)) continue;
    const TensorView tensor = reader->find(name);
    // Find the tensor's bytes in the file and set them all to ones: NaN in every float format.
    std::ifstream in(file, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const std::string_view needle(tensor.as<char>(), tensor.bytes());
    const std::size_t at = bytes.find(needle);
    std::memset(bytes.data() + at, 0xFF, tensor.bytes());
    fs::remove(file);  // the reader maps the old file
    std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return name;
  }
  throw std::logic_error("no tensor named ..." + leaf);
}

}  // namespace impasto::test
