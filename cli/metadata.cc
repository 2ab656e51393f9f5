#include "cli/metadata.h"

#include <unistd.h>

#include "cli/report.h"
#include "cli/text.h"
#include "impasto/impasto.h"

namespace impasto::cli {
namespace {

/// Text for a terminal keeps its line breaks; nothing else of it may move the cursor.
std::string shown(const std::string& text) {
  if (::isatty(STDOUT_FILENO) != 1) return text;
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += (at > 0 ? "\n" : "") + printable(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Json as_json(const std::string& file, const std::vector<TextChunk>& text) {
  Json chunks = Json::object();
  Json report = {{"path", file}};
  for (const auto& [keyword, value] : text) {
    chunks[keyword] = value;
    if (keyword != "parameters") continue;
    const Infotext info = parse_infotext(value);
    Json settings = Json::object();
    for (const auto& [key, setting] : info.fields) settings[key] = setting;
    report.update({{"prompt", info.prompt}, {"negative_prompt", info.negative_prompt}, {"settings", settings}});
  }
  report["text"] = chunks;
  return report;
}

}  // namespace

CLI::App* add_metadata(CLI::App& app, MetadataArguments& a) {
  CLI::App* command = app.add_subcommand("metadata", "Show the settings that a picture carries.");
  command->add_option("file", a.file, "A PNG, JPEG or WebP file")->type_name("FILE")->required();
  command->add_flag("--json", a.json, "One JSON object on standard output: prompt, settings, and all texts by keyword");
  command->footer("Examples:\n  impasto metadata house.png\n  impasto metadata house.png --json");
  return command;
}

int metadata(const MetadataArguments& arguments) {
  const auto text = read_image_text(arguments.file);
  if (arguments.json) {
    print_json(as_json(arguments.file, text));
    return 0;
  }
  if (text.empty()) throw Error(ErrorKind::not_found, arguments.file + ": the picture carries no text");
  for (const auto& [keyword, value] : text) print_line(keyword == "parameters" ? shown(value) : shown(keyword + ": " + value));
  return 0;
}

}  // namespace impasto::cli
