// "FILE:SCALE", as adapters are named.
#pragma once

#include <optional>
#include <string>

namespace impasto::cli {

struct ScaledFile {
  std::string path;  ///< or a name on the Hub
  std::optional<float> scale;
};

/// "style.safetensors:0.8" or "ORG/NAME:0.8"; a colon that no finite number follows belongs to the name. Throws not_found, naming the option, where
/// there is no such file and it cannot be a name on the Hub.
ScaledFile parse_scaled_file(const char* option, const std::string& text);

}  // namespace impasto::cli
