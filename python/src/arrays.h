// Between NumPy (or anything with DLPack) and the engine's tensors.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <utility>
#include <vector>

#include "impasto/components.h"

namespace impasto::python {
namespace nb = nanobind;

/// Dense float32 on the host; impasto/arrays.py sees to it.
using Floats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;

inline TensorRef ref(const Floats& a) {
  TensorRef out{{}, a.data()};
  for (std::size_t i = 0; i < a.ndim(); ++i) out.shape.push_back(static_cast<std::int64_t>(a.shape(i)));
  return out;
}

/// A NumPy array that owns the values; nothing is copied.
inline nb::object to_numpy(HostTensor&& tensor) {
  auto* kept = new HostTensor(std::move(tensor));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<HostTensor*>(p); });
  const std::vector<std::size_t> shape(kept->shape.begin(), kept->shape.end());
  return nb::cast(nb::ndarray<nb::numpy, float>(kept->values.data(), shape.size(), shape.data(), owner));
}

}  // namespace impasto::python
