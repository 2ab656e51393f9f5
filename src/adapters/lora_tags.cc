// "<lora:name:0.8>" in prompts, and the files that such names mean.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "core/fail.h"
#include "core/folder.h"
#include "core/guard.h"
#include "core/quote.h"
#include "impasto/lora.h"

namespace impasto {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kBegin = "<lora:";
constexpr std::array<std::string_view, 3> kEndings{".safetensors", ".pt", ".ckpt"};  // as A1111 lists them

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

float scale_of(std::string_view text, std::string_view tag) {
  float scale = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scale);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(scale))
    fail(ErrorKind::invalid_argument, "prompt: ", in_quotes(tag), " should be <lora:NAME> or <lora:NAME:SCALE>, as in <lora:ink:0.8>");
  return scale;
}

/// What stands between "<lora:" and ">".
LoraTag parse_tag(std::string_view inside, std::string_view tag) {
  LoraTag lora;
  const auto colon = inside.find(':');
  lora.name = inside.substr(0, colon);
  if (lora.name.empty()) scale_of("", tag);
  if (colon == inside.npos) return lora;
  std::string_view scales = inside.substr(colon + 1);
  if (const auto second = scales.find(':'); second != scales.npos) {
    lora.text_encoder_scale = scale_of(scales.substr(0, second), tag);
    scales = scales.substr(second + 1);
  }
  lora.scale = scale_of(scales, tag);
  return lora;
}

/// Every adapter file below the folder.
std::vector<fs::path> files_under(const std::string& folder) {
  std::vector<fs::path> found;
  for (const std::string& path : require_files_below(folder, "LoRA files")) {
    fs::path file = fs::path(folder) / path;
    if (std::find(kEndings.begin(), kEndings.end(), file.extension()) != kEndings.end()) found.push_back(std::move(file));
  }
  return found;
}

std::string listed(const std::vector<fs::path>& files) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(files.size(), kMost); ++i) text += (i != 0 ? ", " : "") + printable(files[i].stem().string());
  return files.size() > kMost ? text + ", ..." : text;
}

}  // namespace

TaggedPrompt take_lora_tags(const std::string& prompt) {
  return guarded([&] {
    TaggedPrompt tagged;
    std::size_t at = 0;
    for (std::size_t begin; (begin = prompt.find(kBegin, at)) != prompt.npos;) {
      const std::size_t end = prompt.find('>', begin);
      if (end == prompt.npos) break;
      tagged.prompt += prompt.substr(at, begin - at);
      const std::string_view tag = std::string_view(prompt).substr(begin, end + 1 - begin);
      tagged.loras.push_back(parse_tag(tag.substr(kBegin.size(), tag.size() - kBegin.size() - 1), tag));
      at = end + 1;
    }
    tagged.prompt += prompt.substr(at);
    return tagged;
  });
}

std::string find_lora(const std::string& folder, const std::string& name) {
  return guarded([&] {
    const std::vector<fs::path> files = files_under(folder);
    std::vector<fs::path> found;
    for (const fs::path& file : files)
      if (file.stem() == name) found.push_back(file);
    if (found.empty())
      for (const fs::path& file : files)
        if (lower(file.stem().string()) == lower(name)) found.push_back(file);
    if (found.empty())
      fail(ErrorKind::not_found, folder, ": there is no LoRA named ", in_quotes(name),
           files.empty() ? "; no .safetensors, .pt or .ckpt file is there at all" : "; there are ", listed(files));
    if (found.size() > 1)
      fail(ErrorKind::invalid_argument, folder, ": several files are named ", in_quotes(name), ": ", found[0].string(), " and ", found[1].string(),
           "; name a folder that has one of them, or rename the other");
    return found[0].string();
  });
}

}  // namespace impasto
