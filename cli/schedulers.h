// `impasto schedulers`: the names that --scheduler takes.
#pragma once

#include <CLI/CLI.hpp>

namespace impasto::cli {

struct SchedulersArguments {
  bool json = false;
};

CLI::App* add_schedulers(CLI::App& app, SchedulersArguments& arguments);

/// Returns the exit code 0; throws Error.
int schedulers(const SchedulersArguments& arguments);

}  // namespace impasto::cli
