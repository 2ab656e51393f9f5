// Numbers of a config that a network is computed with.
#pragma once

#include "core/fail.h"
#include "core/json.h"

namespace impasto {

/// A number from `low` to `high`. Throws bad_file: beyond, finite weights would give nothing that is a picture.
inline double number_within(const JsonObject& config, const char* key, double fallback, double low, double high) {
  const double value = config.number(key, fallback);
  if (!(value >= low && value <= high))
    fail(ErrorKind::bad_file, config.where(), ": field ", key, ": expected a number from ", low, " to ", high, ", found ", value);
  return value;
}

/// What keeps a norm from dividing by zero; published are 1e-5 and 1e-6.
inline float norm_eps_of(const JsonObject& config, const char* key, double fallback) {
  return static_cast<float>(number_within(config, key, fallback, 1e-12, 1));
}

/// Of latents; published are 0.08 to 1.
inline double scaling_factor_of(const JsonObject& config, double fallback) { return number_within(config, "scaling_factor", fallback, 1e-3, 1e3); }

}  // namespace impasto
