#include "cli/help.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"

namespace impasto::cli {
namespace {

constexpr std::size_t kIndent = 2, kColumn = 30;  // where descriptions begin

std::size_t page_width() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return std::clamp<std::size_t>(known ? size.ws_col : 80, 60, 100);
}

/// "-W, --width N"
std::string names_of(const CLI::Option& option) {
  std::string text;
  for (const auto& name : option.get_snames()) text += (text.empty() ? "-" : ", -") + name;
  for (const auto& name : option.get_lnames()) text += (text.empty() ? "--" : ", --") + name;
  if (text.empty()) text = option.get_name(true);
  return option.get_type_size() == 0 || option.get_type_name().empty() ? text : text + " " + option.get_type_name();
}

std::string entry(const std::string& names, const std::string& description, std::size_t width) {
  std::string text = std::string(kIndent, ' ') + names;
  bool first = text.size() + 2 <= kColumn;  // the description begins on the line of the names if they leave room
  if (!first) text += "\n";
  for (const auto& line : wrapped(description, width - kColumn)) {
    text += std::string(kColumn - (first ? text.size() : 0), ' ') + line + "\n";
    first = false;
  }
  return text;
}

std::string options_of(const CLI::App& app, std::size_t width) {
  std::string text;
  for (const auto& group : app.get_groups()) {
    if (group.empty()) continue;  // hidden
    text += "\n" + group + ":\n";
    for (const CLI::Option* option : app.get_options([&](const CLI::Option* o) { return o->get_group() == group; })) {
      text += entry(names_of(*option), option->get_description(), width);
    }
  }
  return text;
}

std::string commands_of(const CLI::App& app, std::size_t width) {
  std::string text;
  for (const CLI::App* command : app.get_subcommands({})) text += entry(command->get_name(), command->get_description(), width);
  return text.empty() ? text : "\nCommands:\n" + text;
}

/// "impasto generate [PROMPT] [OPTIONS]"
std::string usage_of(const CLI::App& app) {
  std::string text = app.get_parent() != nullptr ? app.get_parent()->get_name() + " " + app.get_name() : app.get_name();
  if (!app.get_subcommands({}).empty()) text += " COMMAND";
  for (const CLI::Option* option : app.get_options([](const CLI::Option* o) { return o->get_positional(); })) {
    text += " [" + option->get_type_name() + "]";
  }
  return text + " [OPTIONS]";
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const {
  const std::size_t width = page_width();
  std::string text;
  for (const auto& line : wrapped(app->get_description(), width)) text += line + "\n";
  text += "\nUsage: " + usage_of(*app) + "\n";
  return text + commands_of(*app, width) + options_of(*app, width) + (app->get_footer().empty() ? "" : "\n" + app->get_footer() + "\n");
}

}  // namespace impasto::cli
