#include "cli/schedulers.h"

#include <algorithm>

#include "cli/report.h"
#include "impasto/pipeline.h"

namespace impasto::cli {

CLI::App* add_schedulers(CLI::App& app, SchedulersArguments& arguments) {
  CLI::App* command = app.add_subcommand("schedulers", "List the schedulers (samplers) by their short and class names.");
  command->add_flag("--json", arguments.json, "One JSON object on standard output");
  return command;
}

int schedulers(const SchedulersArguments& arguments) {
  const auto names = scheduler_names();
  if (arguments.json) {
    Json list = Json::array();
    for (const auto& name : names) list.push_back({{"short_name", name.short_name}, {"class_name", name.class_name}});
    print_json({{"schedulers", list}});
    return 0;
  }
  std::size_t width = 0;
  for (const auto& name : names) width = std::max(width, name.short_name.size());
  for (const auto& name : names) print_line(name.short_name + std::string(width - name.short_name.size() + 2, ' ') + name.class_name);
  return 0;
}

}  // namespace impasto::cli
