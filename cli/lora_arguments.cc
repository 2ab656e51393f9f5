#include "cli/lora_arguments.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "cli/report.h"
#include "cli/scaled_file.h"
#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {
namespace {

std::string shortest(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

/// What a tag calls it.
std::string tag_name(const std::string& path) { return names_model_on_hub(path) ? path : std::filesystem::path(path).stem().string(); }

bool can_be_tag(const std::string& name) { return name.find_first_of(":>\n") == std::string::npos; }

std::vector<Lora> tagged_loras(const LoraArguments& a, const std::vector<LoraTag>& tags) {
  const char* standing = std::getenv("IMPASTO_LORA_DIR");
  const std::string folder = !a.folder.empty() ? a.folder : standing != nullptr ? standing : "";
  const auto file_of = [&](const std::string& name) {
    if (names_model_on_hub(name)) return name;  // the library looks into the cache; no prompt has anything fetched
    if (folder.empty())
      throw Error(ErrorKind::invalid_argument, "prompt: it names the LoRA \"" + name + "\"; say where the files are with --lora-dir DIR");
    return find_lora(folder, name);
  };
  std::vector<Lora> loras;
  for (const LoraTag& tag : tags) loras.push_back({file_of(tag.name), tag.scale, tag.text_encoder_scale});
  return loras;
}

}  // namespace

void add_lora_options(CLI::App& app, LoraArguments& a) {
  auto* files =
      app.add_option("--lora", a.files,
                     "An adapter to draw with, and how much of it (default 1): a file, or ORG/NAME on the Hub; may be given several times. LoRA, "
                     "LoCon, LoHa, LoKr, DoRA");
  files->type_name("FILE[:SCALE]")->allow_extra_args(false);
  auto* folder = app.add_option("--lora-dir", a.folder, "Where the files are that <lora:NAME:SCALE> in a prompt means (default: $IMPASTO_LORA_DIR)");
  folder->type_name("DIR");
  for (auto* option : {files, folder}) option->group("Adapters");
}

void warn_of_names(const LoraArguments& a) {
  for (const std::string& text : a.files) {
    const std::string path = parse_scaled_file("--lora", text).path;
    if (!can_be_tag(tag_name(path)))
      warn("--lora: a name with \":\" or \">\" cannot be written as a tag, so the picture's settings leave out \"" + path + '"');
  }
}

ChosenLoras choose_loras(const LoraArguments& a, const std::string& prompt) {
  ChosenLoras chosen;
  const TaggedPrompt tagged = take_lora_tags(prompt);
  chosen.drawn_prompt = tagged.prompt;
  if (!tagged.loras.empty()) chosen.loras = tagged_loras(a, tagged.loras);
  // Behind the tags, in the record as in the drawing: DoRA's result hangs on the order.
  chosen.recorded_prompt = prompt;
  for (const std::string& text : a.files) {
    const ScaledFile file = parse_scaled_file("--lora", text);
    const Lora& lora = chosen.loras.emplace_back(Lora{file.path, file.scale.value_or(1.0f)});
    const std::string name = tag_name(lora.path);
    if (can_be_tag(name)) chosen.recorded_prompt += " <lora:" + name + ':' + shortest(lora.scale) + '>';
  }
  return chosen;
}

}  // namespace impasto::cli
