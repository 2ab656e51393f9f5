// The parts of the extension module; module.cc puts them together.
#pragma once

#include <nanobind/nanobind.h>

namespace impasto::python {

void bind_errors(nanobind::module_& m);
void bind_hub(nanobind::module_& m);
void bind_models(nanobind::module_& m);
void bind_pictures(nanobind::module_& m);
void bind_pipeline(nanobind::module_& m);
void bind_sampler(nanobind::module_& m);
void bind_text(nanobind::module_& m);

}  // namespace impasto::python
