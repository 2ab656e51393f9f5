#include "cli/scaled_file.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>

#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {

ScaledFile parse_scaled_file(const char* option, const std::string& text) {
  ScaledFile file{text, {}};
  const auto colon = text.rfind(':');
  if (colon != text.npos) {
    const char* begin = text.data() + colon + 1;
    const char* end = text.data() + text.size();
    float scale = 0;
    if (const auto read = std::from_chars(begin, end, scale); read.ec == std::errc() && read.ptr == end && std::isfinite(scale)) {
      file.path = text.substr(0, colon);
      file.scale = scale;
    }
  }
  std::error_code unseen;  // what cannot be looked at is told when it is opened
  if (!file.scale && colon != text.npos && std::filesystem::exists(text.substr(0, colon), unseen) && !std::filesystem::exists(text, unseen))
    throw Error(ErrorKind::invalid_argument, std::string(option) + " " + text + ": \"" + text.substr(colon + 1) +
                                                 "\" is not a number that tells how much of it; write it as FILE:0.8");
  if (std::filesystem::status(file.path, unseen).type() == std::filesystem::file_type::not_found && !names_model_on_hub(file.path))
    throw Error(ErrorKind::not_found, std::string(option) + ": there is no file \"" + file.path + '"');
  return file;
}

}  // namespace impasto::cli
