#include "cli/recorded_settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "cli/report.h"
#include "impasto/error.h"
#include "impasto/metadata.h"

namespace impasto::cli {
namespace {

Infotext read_settings(const std::string& path) {
  const auto texts = read_image_text(path);
  const auto found = std::find_if(texts.begin(), texts.end(), [](const TextChunk& text) { return text.first == "parameters"; });
  if (found == texts.end() || found->second.find_first_not_of(" \t\r\n") == std::string::npos)
    throw Error(ErrorKind::bad_file, path + ": the picture carries no settings");
  return parse_infotext(found->second);
}

/// What the command line names beside the picture.
NamedBeside named_beside(const GenerateArguments& a) {
  return {.image = !a.from.image.empty(),
          .mask = !a.from.mask.empty() || given(a, "--extend"),
          .controlnets = !a.control.nets.empty(),
          .ip_adapters = !a.ip_adapter.files.empty(),
          .refiner = !a.refiner.model.name.empty(),
          .prompt_syntax = given(a, "--prompt-syntax")};
}

/// As A1111 writes it: without the ending of a single file.
std::string plain_name(std::string name) {
  const std::filesystem::path path(name);
  for (const char* ending : {".safetensors", ".ckpt", ".gguf", ".pt", ".bin"})
    if (path.extension() == ending) name = path.stem().string();
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name;
}

}  // namespace

bool take_settings_from_picture(GenerateArguments& a) {
  if (a.from.settings.empty()) return false;
  const Infotext text = read_settings(a.from.settings);
  for (const auto& warning : apply_infotext(text, a.picture, named_beside(a))) warn(a.from.settings + ": " + warning);
  if (const std::string at = text.value("Refiner switch at"); !at.empty()) {
    float start = 0;
    const auto [end, error] = std::from_chars(at.data(), at.data() + at.size(), start);
    if (error == std::errc() && end == at.data() + at.size() && std::isfinite(start)) a.refiner.start = start;
  }
  a.from.recorded_model = text.value("Model"), a.from.recorded_hash = text.value("Model hash");
  if (!text.value("Denoising strength").empty() && !a.picture.hires) a.from.strength = a.picture.strength;
  if (!a.prompt.text && a.prompt.file.empty() && a.prompt.embeds.empty()) a.prompt.text = text.prompt;
  return true;
}

void warn_of_other_model(const PictureArguments& a, const ModelInfo& model) {
  const std::string used = model_name(model.path);
  if (a.recorded_model.empty()) {
    if (!a.recorded_hash.empty())
      warn(a.settings + ": it tells its model by a hash alone (" + a.recorded_hash + "), which is not compared with " + used);
  } else if (plain_name(a.recorded_model) != plain_name(used)) {
    warn(a.settings + ": it was drawn by the model " + a.recorded_model + ", and " + used + " is used now; --model names another");
  }
}

}  // namespace impasto::cli
