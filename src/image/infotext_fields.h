// The fields of A1111's text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "impasto/metadata.h"

namespace impasto {

using InfotextField = std::pair<std::string, std::string>;  ///< "Steps", "20"

/// Of one line, quotes taken away.
std::vector<InfotextField> read_fields(const std::string& line);

}  // namespace impasto
