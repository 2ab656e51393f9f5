// Calls of the public components: shapes checked, NCHW turned into NHWC and back.
#pragma once

#include <string>
#include <vector>

#include "core/cancellation.h"
#include "core/fail.h"
#include "core/flush_denormals.h"
#include "core/guard.h"
#include "impasto/components.h"
#include "ops/ops.h"

namespace impasto {

/// What every call of a network stands in.
template <typename F>
auto running(const ShouldStop& should_stop, const F& f) {
  const CancellationScope scope(should_stop);
  const FlushDenormals flush;
  return guarded(f);
}

inline std::string written(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// A tensor of rank `expected.size()`; 0 in `expected` stands for any size.
inline void require_shape(const std::string& name, const TensorRef& t, const std::vector<std::int64_t>& expected, const std::string& meaning) {
  bool fits = t.shape.size() == expected.size() && t.values != nullptr;
  for (std::size_t i = 0; fits && i < expected.size(); ++i) fits = t.shape[i] >= 1 && (expected[i] == 0 || t.shape[i] == expected[i]);
  if (!fits) fail(ErrorKind::invalid_argument, name, " has shape ", written(t.shape), ", expected ", meaning);
}

/// `count` images of an NCHW tensor from `begin` on, as the networks take them.
inline Tensor images(Backend& backend, const TensorRef& t, std::int64_t begin, std::int64_t count) {
  const std::int64_t each = t.shape[1] * t.shape[2] * t.shape[3];
  return ops::nchw_to_nhwc(Tensor::from_host(backend, {count, t.shape[1], t.shape[2], t.shape[3]}, t.values + begin * each));
}

inline HostTensor to_host(const Tensor& t) { return {{t.shape().begin(), t.shape().end()}, t.to_host()}; }

inline HostTensor to_nchw(const Tensor& nhwc) { return to_host(ops::nhwc_to_nchw(nhwc)); }

inline std::size_t count(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t d : shape) n *= static_cast<std::size_t>(d);
  return n;
}

}  // namespace impasto
