// impasto._core: the engine's public C++ interface as Python sees it, with arrays for tensors and exceptions for errors. What people call
// (diffusers' classes) is written in Python on top of it.
#include <nanobind/stl/string.h>

#include "bind.h"
#include "impasto/impasto.h"

NB_MODULE(_core, m) {
  m.doc() = "The engine's components as arrays in and arrays out. Use the classes of the package `impasto` instead.";
  m.def("version", &impasto::version, "The engine's version, \"0.1.0\".");
  impasto::python::bind_errors(m);
  impasto::python::bind_pipeline(m);
  impasto::python::bind_hub(m);
  impasto::python::bind_pictures(m);
  impasto::python::bind_models(m);
  impasto::python::bind_sampler(m);
  impasto::python::bind_text(m);
}
