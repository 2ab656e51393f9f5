#include "cli/arguments.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <type_traits>

#include "cli/text.h"
#include "impasto/error.h"

namespace impasto::cli {
namespace {

/// "--steps" of "-x,--steps,--num-inference-steps".
std::string flag_of(const std::string& names) {
  const auto begin = names.find("--");
  return names.substr(begin, names.find(',', begin) - begin);
}

template <typename T>
T number(const std::string& flag, const std::string& text, const char* kind) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) throw CLI::ValidationError(flag, text + " is out of range");
  if (error != std::errc() || end != text.data() + text.size()) throw CLI::ValidationError(flag, "\"" + text + "\" is not " + kind);
  return value;
}

std::string with_default(const std::string& description, double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return value == 0 ? description : description + " (default " + text + ")";
}

std::vector<std::string> long_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options({})) {
    for (const auto& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

/// What to say about the first argument that nobody wanted.
std::string unexpected(const CLI::App& app, const std::vector<std::string>& extras) {
  const auto option = std::find_if(extras.begin(), extras.end(), [](const std::string& s) { return s.size() > 1 && s[0] == '-'; });
  if (option == extras.end()) return "\"" + extras.front() + "\" was not expected; a text of several words needs quotes around it";
  const std::string flag = option->substr(0, option->find('='));
  const bool is_long = flag.rfind("--", 0) == 0;
  const std::string guess = is_long ? nearest(flag.substr(2), long_names(app)) : "";
  return "unknown option " + flag + (guess.empty() ? "" : "; did you mean --" + guess + "?");
}

std::string unknown_command(const CLI::App& app, const std::vector<std::string>& extras) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (extras.front()[0] == '-') return unexpected(app, extras);
  const std::string guess = nearest(extras.front(), names);
  return "unknown command \"" + extras.front() + "\"; " +
         (guess.empty() ? "there are " + CLI::detail::join(names, ", ") : "did you mean " + guess + "?");
}

std::string message_of(const CLI::ParseError& error) {
  std::string text = error.what();
  // CLI11 says "--seed: 1 required N missing".
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) return text.substr(0, text.find(':')) + " needs a value";
  return text;
}

/// Commands that somebody may give a token, which no message may repeat.
const char* hint_of_secret_command(const CLI::App& command) {
  if (command.get_name() == "login")
    return "login takes no token as an argument, where other users could read it: impasto login asks for it, impasto login < FILE reads it";
  if (command.get_name() == "logout") return "logout takes no arguments";
  return nullptr;
}

[[noreturn]] void refuse(const CLI::App& app, const std::string& message) {
  const std::string command = app.get_parent() != nullptr ? app.get_parent()->get_name() + " " + app.get_name() : app.get_name();
  throw Error(ErrorKind::invalid_argument, message + " (" + command + " --help lists the options)");
}

const CLI::App& command_of(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

}  // namespace

CLI::Option* add_integer(CLI::App& app, const std::string& names, int& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::string& text) { target = number<int>(flag, text, "a whole number"); };
  return app.add_option_function<std::string>(names, take, with_default(description, target))->type_name("N");
}

CLI::Option* add_side(CLI::App& app, const std::string& names, int& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::string& text) {
    target = number<int>(flag, text, "a whole number");
    if (target == 0) throw CLI::ValidationError(flag, "0 pixels are no picture; leave the option out for the model's own size");
  };
  return app.add_option_function<std::string>(names, take, description)->type_name("N");
}

CLI::Option* add_number(CLI::App& app, const std::string& names, float& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::string& text) { target = number<float>(flag, text, "a number"); };
  return app.add_option_function<std::string>(names, take, with_default(description, target))->type_name("X");
}

namespace {

template <typename T>
CLI::Option* add_optional(CLI::App& app, const std::string& names, std::optional<T>& target, const std::string& description) {
  constexpr bool kWhole = std::is_integral_v<T>;
  const auto take = [&target, flag = flag_of(names)](const std::string& text) {
    target = number<T>(flag, text, kWhole ? "a whole number" : "a number");
  };
  return app.add_option_function<std::string>(names, take, description)->type_name(kWhole ? "N" : "X");
}

}  // namespace

CLI::Option* add_integer(CLI::App& app, const std::string& names, std::optional<int>& target, const std::string& description) {
  return add_optional(app, names, target, description);
}

CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<float>& target, const std::string& description) {
  return add_optional(app, names, target, description);
}

CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<double>& target, const std::string& description) {
  return add_optional(app, names, target, description);
}

CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<double>& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::string& text) {
    target.clear();
    for (const std::string& one : CLI::detail::split(text, ','))
      target.push_back(number<double>(flag, CLI::detail::trim_copy(one), "a number; write them as 999,850,40"));
  };
  return app.add_option_function<std::string>(names, take, description)->type_name("X,X,...");
}

CLI::Option* add_repeated_number(CLI::App& app, const std::string& names, std::vector<double>& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::vector<std::string>& texts) {
    target.clear();
    for (const std::string& text : texts) target.push_back(to_number(flag, text));
    return true;
  };
  auto* option = app.add_option_function<std::vector<std::string>>(names, take, description);
  return option->type_name("X")->allow_extra_args(false);
}

double to_number(const std::string& flag, const std::string& text) { return number<double>(flag, text, "a number"); }

int to_integer(const std::string& flag, const std::string& text) { return number<int>(flag, text, "a whole number"); }

int to_integer(const std::string& flag, const std::string& text, int low, int high) {
  const int value = to_integer(flag, text);
  if (value < low || value > high)
    throw CLI::ValidationError(flag, text + " is out of range, allowed is " + std::to_string(low) + " to " + std::to_string(high));
  return value;
}

void require_values(CLI::App& command, const std::vector<std::string>& texts) {
  for (CLI::Option* option : command.get_options([](const CLI::Option* o) { return o->get_type_size() > 0; })) {
    const std::string name = std::string(option->get_lnames().empty() ? "" : "--").append(option->get_single_name());
    if (std::find(texts.begin(), texts.end(), name) != texts.end()) continue;
    option->each([&command, type = option->get_type_name()](const std::string& value) {
      if (value.empty()) throw CLI::ValidationError("the value is empty; give it as " + type + ", or leave the option out");
      const std::string first = value.substr(0, value.find('='));
      if (value.size() > 1 && value[0] == '-' && command.get_option_no_throw(first) != nullptr)
        throw CLI::ValidationError("it needs a value, and " + first + " is another option");
    });
  }
}

CLI::Option* add_seed(CLI::App& app, const std::string& names, std::optional<std::uint64_t>& target, const std::string& description) {
  const auto take = [&target, flag = flag_of(names)](const std::string& text) {
    if (!text.empty() && text[0] == '-') {
      number<std::int64_t>(flag, text, "a whole number");
      target.reset();
    } else {
      target = number<std::uint64_t>(flag, text, "a whole number");
    }
  };
  return app.add_option_function<std::string>(names, take, description)->type_name("N");
}

CLI::Option* must_be_text(CLI::Option* option) {
  return option->check([](const std::string& text) { return is_utf8(text) ? std::string() : "\"" + printable(text) + "\" is not valid UTF-8"; });
}

std::vector<std::string> arguments_for_cli11(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    const bool empty_value = text.size() > 3 && text.rfind("--", 0) == 0 && text.find('=') == text.size() - 1 && text.find(' ') == std::string::npos;
    arguments.push_back(empty_value ? text.substr(0, text.size() - 1) : text);
    if (empty_value) arguments.emplace_back();
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

void parse(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(arguments_for_cli11(argc, argv));
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& error) {
    const CLI::App& command = command_of(app);
    if (const char* hint = hint_of_secret_command(command)) refuse(command, hint);
    // Which is missing may be due to an option that is none.
    const auto extras = command.remaining();
    const bool has_option = std::any_of(extras.begin(), extras.end(), [](const std::string& s) { return s.size() > 1 && s[0] == '-'; });
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && has_option) refuse(command, unexpected(command, extras));
    refuse(command, message_of(error));
  }
  const CLI::App& command = command_of(app);
  const char* secret = hint_of_secret_command(command);
  if (secret != nullptr && (!app.remaining().empty() || !command.remaining().empty())) refuse(command, secret);
  if (const auto extras = app.remaining(); !extras.empty()) refuse(app, unknown_command(app, extras));
  if (const auto extras = command.remaining(); &command != &app && !extras.empty()) refuse(command, unexpected(command, extras));
}

}  // namespace impasto::cli
