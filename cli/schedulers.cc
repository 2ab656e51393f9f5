#include "cli/schedulers.h"

#include <algorithm>

#include "cli/report.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

CLI::App* add_schedulers(CLI::App& app, SchedulersArguments& arguments) {
  CLI::App* command = app.add_subcommand("schedulers", "List the schedulers (samplers) by their short name, A1111's name and class name.");
  command->add_flag("--json", arguments.json, "One JSON object on standard output");
  return command;
}

int schedulers(const SchedulersArguments& arguments) {
  const auto names = scheduler_names();
  if (arguments.json) {
    Json list = Json::array();
    for (const auto& name : names)
      list.push_back({{"short_name", name.short_name}, {"class_name", name.class_name}, {"a1111_name", name.a1111_name}});
    print_json({{"schedulers", list}});
    return 0;
  }
  std::size_t width = 0, wider = 0;
  for (const auto& name : names) width = std::max(width, name.short_name.size()), wider = std::max(wider, name.a1111_name.size());
  const auto padded = [](const std::string& text, std::size_t to) { return text + std::string(to - text.size() + 2, ' '); };
  for (const auto& name : names) print_line(padded(name.short_name, width) + padded(name.a1111_name, wider) + name.class_name);
  return 0;
}

}  // namespace impasto::cli
