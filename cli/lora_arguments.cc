#include "cli/lora_arguments.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "cli/scaled_file.h"
#include "impasto/error.h"

namespace impasto::cli {
namespace {

std::string shortest(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

void add_lora_options(CLI::App& app, LoraArguments& a) {
  auto* files = app.add_option("--lora", a.files,
                               "An adapter to draw with, and how much of it (default 1); may be given several times. LoRA, LoCon, LoHa, LoKr, DoRA");
  files->type_name("FILE[:SCALE]")->allow_extra_args(false);
  auto* folder = app.add_option("--lora-dir", a.folder, "Where the files are that <lora:NAME:SCALE> in a prompt means (default: $IMPASTO_LORA_DIR)");
  folder->type_name("DIR");
  for (auto* option : {files, folder}) option->group("Adapters");
}

ChosenLoras choose_loras(const LoraArguments& a, const std::string& prompt) {
  ChosenLoras chosen;
  chosen.recorded_prompt = prompt;
  for (const std::string& text : a.files) {
    const ScaledFile file = parse_scaled_file("--lora", text);
    const Lora& lora = chosen.loras.emplace_back(Lora{file.path, file.scale.value_or(1.0f)});
    chosen.recorded_prompt += " <lora:" + std::filesystem::path(lora.path).stem().string() + ':' + shortest(lora.scale) + '>';
  }
  const TaggedPrompt tagged = take_lora_tags(prompt);
  chosen.drawn_prompt = tagged.prompt;
  if (tagged.loras.empty()) return chosen;
  const char* standing = std::getenv("IMPASTO_LORA_DIR");
  const std::string folder = !a.folder.empty() ? a.folder : standing != nullptr ? standing : "";
  if (folder.empty())
    throw Error(ErrorKind::invalid_argument,
                "prompt: it names the LoRA \"" + tagged.loras.front().name + "\"; say where the files are with --lora-dir DIR");
  for (const LoraTag& tag : tagged.loras) chosen.loras.push_back({find_lora(folder, tag.name), tag.scale, tag.text_encoder_scale});
  return chosen;
}

}  // namespace impasto::cli
