// How a Python caller stops a call of the engine.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <chrono>

namespace impasto::python {
namespace nb = nanobind;

/// Set from any thread to end the calls that were given it.
class StopFlag {
 public:
  void set() { stop_ = true; }
  bool is_set() const { return stop_; }

 private:
  std::atomic<bool> stop_ = false;
};

/// A `should_stop` for the engine: true when the flag is set; looks for Ctrl-C and other signals ten times a second, and throws what Python's
/// handler raised. Called without the GIL.
class Interrupt {
 public:
  explicit Interrupt(const StopFlag* flag) : flag_(flag) {}

  bool operator()() {
    if (flag_ != nullptr && flag_->is_set()) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < std::chrono::milliseconds(100)) return false;  // taking the GIL may wait for other threads
    last_look_ = now;
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    return false;
  }

 private:
  const StopFlag* flag_;
  std::chrono::steady_clock::time_point last_look_ = std::chrono::steady_clock::now();
};

}  // namespace impasto::python
