// Weights that Python has in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "impasto/components.h"

namespace impasto::python {

namespace nb = nanobind;

inline GivenWeights::Type type_named(const std::string& name) {
  if (name == "float32") return GivenWeights::Type::float32;
  if (name == "float16") return GivenWeights::Type::float16;
  if (name == "bfloat16") return GivenWeights::Type::bfloat16;
  throw nb::type_error(("weights of type " + name + " are not supported").c_str());
}

/// Tuples (name, type, shape, address); `owner` is whatever keeps the addresses valid.
inline GivenWeights given(const nb::list& tensors, nb::object owner) {
  GivenWeights out;
  for (const nb::handle item : tensors) {
    const auto t = nb::cast<nb::tuple>(item);
    out.tensors.push_back({nb::cast<std::string>(t[0]), type_named(nb::cast<std::string>(t[1])), nb::cast<std::vector<std::int64_t>>(t[2]),
                           reinterpret_cast<const void*>(nb::cast<std::uintptr_t>(t[3]))});
  }
  out.owner = std::shared_ptr<void>(new nb::object(std::move(owner)), [](void* p) {
    const nb::gil_scoped_acquire gil;
    delete static_cast<nb::object*>(p);
  });
  return out;
}

}  // namespace impasto::python
