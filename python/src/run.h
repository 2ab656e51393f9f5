// Calls of the networks, as Python makes them.
#pragma once

#include <utility>

#include "arrays.h"
#include "interrupt.h"

namespace impasto::python {

/// f(should_stop) without the GIL.
template <typename F>
auto without_gil(const StopFlag* stop, const F& f) {
  const nb::gil_scoped_release released;
  return f(ShouldStop(Interrupt(stop)));
}

/// f(should_stop) without the GIL; its tensor goes to Python.
template <typename F>
nb::object run(const StopFlag* stop, const F& f) {
  return to_numpy(without_gil(stop, f));
}

}  // namespace impasto::python
