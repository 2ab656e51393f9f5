// Adapter files of float32 numbers, for tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/shape.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"

namespace impasto::test {

struct Values {
  Shape shape;
  std::vector<float> values;
};

/// Writes the tensors as a safetensors file and returns its path.
inline std::string write_tensors(const TemporaryFolder& folder, const std::string& name_of_file, const std::map<std::string, Values>& tensors) {
  std::string header, data;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = data.size(), bytes = tensor.values.size() * sizeof(float);
    data.append(reinterpret_cast<const char*>(tensor.values.data()), bytes);
    header += header.empty() ? '{' : ',';
    header += record(name, "F32", tensor.shape.to_string(), begin, begin + bytes);
  }
  return folder.write(name_of_file, make_safetensors((header.empty() ? "{" : header) + "}", data));
}

inline std::string write_lora(const TemporaryFolder& folder, const std::map<std::string, Values>& tensors) {
  return write_tensors(folder, "lora.safetensors", tensors);
}

}  // namespace impasto::test
