// The built command as a process.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace impasto::cli::test {

struct Ran {
  int code = -1;  ///< exit code, or -1 when a signal ended it
  int signal = 0;
  std::string out, err;
};

struct Setting {
  std::string folder = ".";                   ///< where it runs
  std::string input = {};                     ///< what standard input holds
  std::string out_path = {};                  ///< a file for standard output instead of `out`
  std::vector<std::string> environment = {};  ///< "NAME=value" added, "NAME" taken away
  /// Called in the new process before the command begins.
  std::function<void()> prepare = {};
};

/// Runs `impasto arguments...` to its end.
Ran run(const std::vector<std::string>& arguments, const Setting& setting = {});

/// Runs it and sends `signal` once standard error holds `text`.
Ran run_and_signal(const std::vector<std::string>& arguments, const std::string& text, int signal, const Setting& setting = {});

/// Runs it on a terminal of that many columns; `out` is what the terminal received. `keys` are typed once it has received `text`.
Ran run_on_terminal(const std::vector<std::string>& arguments, int columns, const Setting& setting = {}, const std::string& text = "",
                    const std::string& keys = "");

}  // namespace impasto::cli::test
