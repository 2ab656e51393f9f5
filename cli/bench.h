// `impasto bench`: how fast a checkpoint draws here, and where the time goes.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "cli/download.h"
#include "impasto/benchmark.h"

namespace impasto::cli {

struct BenchArguments {
  ModelChoice model;
  LoadOptions load;
  BenchmarkOptions options;
  bool json = false;
};

CLI::App* add_bench(CLI::App& app, BenchArguments& arguments);

/// Returns the exit code 0; throws Error.
int bench(const BenchArguments& arguments);

}  // namespace impasto::cli
