// `impasto verify`: is the cache what the Hub has published?
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace impasto::cli {

struct VerifyArguments {
  std::string model;
  bool quiet = false, json = false;
};

CLI::App* add_verify(CLI::App& app, VerifyArguments& arguments);

/// Returns the exit code 0; throws Error, bad_file when something is damaged or has no published hash.
int verify(const VerifyArguments& arguments);

/// For a model of the cache that a command is about to use. Throws bad_file naming what is not as published.
void require_intact(const std::string& model, bool quiet);

}  // namespace impasto::cli
