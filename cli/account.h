// `impasto login` and `impasto logout`.
#pragma once

#include <CLI/CLI.hpp>

namespace impasto::cli {

struct LoginArguments {
  bool check = true;
};

CLI::App* add_login(CLI::App& app, LoginArguments& arguments);
CLI::App* add_logout(CLI::App& app);

/// Both return the exit code 0 and throw Error.
int login(const LoginArguments& arguments);
int logout();

}  // namespace impasto::cli
