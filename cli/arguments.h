// CLI11 with stricter numbers, and with errors that say what to type instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace impasto::cli {

/// An option holding a whole number: decimal digits only (CLI11 alone would read 010 as eight). A default other than 0 is told in the help.
CLI::Option* add_integer(CLI::App& app, const std::string& names, int& target, const std::string& description);
CLI::Option* add_integer(CLI::App& app, const std::string& names, std::optional<int>& target, const std::string& description);
/// A side in pixels. Refuses 0, which the library reads as "the model's own".
CLI::Option* add_side(CLI::App& app, const std::string& names, int& target, const std::string& description);
/// An option holding a decimal number.
CLI::Option* add_number(CLI::App& app, const std::string& names, float& target, const std::string& description);
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<float>& target, const std::string& description);
CLI::Option* add_number(CLI::App& app, const std::string& names, std::optional<double>& target, const std::string& description);
/// An option holding decimal numbers, with commas between them.
CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<double>& target, const std::string& description);
/// A seed: 0 to 2^64 - 1, and anything below 0 for a random one.
CLI::Option* add_seed(CLI::App& app, const std::string& names, std::optional<std::uint64_t>& target, const std::string& description);

/// Makes an option refuse what is not UTF-8.
CLI::Option* must_be_text(CLI::Option* option);

/// Several decimal numbers, by giving the option several times.
CLI::Option* add_repeated_number(CLI::App& app, const std::string& names, std::vector<double>& target, const std::string& description);

/// The number that a text is. Throws CLI::ValidationError naming the option.
double to_number(const std::string& flag, const std::string& text);
int to_integer(const std::string& flag, const std::string& text);
/// The same, and throws for one below `low` or above `high`.
int to_integer(const std::string& flag, const std::string& text, int low, int high);

/// Has each of a command's options refuse an empty value, and another option's name where a value was forgotten. The options of these names are
/// texts, which may be either.
void require_values(CLI::App& command, const std::vector<std::string>& texts);

/// Arguments as CLI11 takes them: without the program's name, "--name=" split in two so that an empty value is a value, last one first.
std::vector<std::string> arguments_for_cli11(int argc, const char* const* argv);

/// Parses. Throws CLI::Success for help and version, and Error{invalid_argument} for everything that is wrong.
void parse(CLI::App& app, int argc, const char* const* argv);

}  // namespace impasto::cli
