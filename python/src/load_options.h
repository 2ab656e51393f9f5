// Loading, as Python asks for it.
#pragma once

#include <string>

#include "impasto/pipeline.h"
#include "interrupt.h"

namespace impasto::python {

inline LoadOptions load_options(const std::string& device, const std::string& dtype, int num_threads, bool map_weights) {
  return {.device = device, .dtype = dtype, .num_threads = num_threads, .map_weights = map_weights, .should_stop = Interrupt(nullptr)};
}

}  // namespace impasto::python

/// The arguments that every loading function takes, last.
#define IMPASTO_LOAD_ARGUMENTS \
  nb::kw_only(), nb::arg("device") = "auto", nb::arg("dtype") = "auto", nb::arg("num_threads") = 0, nb::arg("map_weights") = false
