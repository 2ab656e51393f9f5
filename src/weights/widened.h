// Stored numbers as float32 on the host: for what is read once. Networks use their weights as they are stored.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "weights/reader.h"

namespace impasto {

/// A tensor's values. Throws not_found, as WeightReader::read(), and unsupported for integers.
std::vector<float> widened(const WeightReader& reader, std::string_view name);

/// Whether none is NaN or infinity.
bool all_finite(std::span<const float> values);

}  // namespace impasto
