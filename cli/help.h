// Help pages: usage, options by group with their descriptions wrapped, examples.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace impasto::cli {

/// CLI11 asks this for every page.
class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace impasto::cli
