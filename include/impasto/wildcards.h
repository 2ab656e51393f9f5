// Words drawn by lot: "a __colour__ house" from a folder of lists.
#pragma once

#include <cstdint>
#include <string>

#include "impasto/api.h"

namespace impasto {

/// Replaces each __NAME__ in a prompt by a line of FOLDER/NAME.txt: letters, digits, space, "-", "_", "." and "/" (for folders inside) make a name.
/// In the file, empty lines and those that begin with # do not count. A line may hold wildcards itself, up to 16 deep. The same seed draws the same
/// lines, on every machine, as long as the files stay the same.
/// Throws not_found for a name without a file, bad_file for a file without lines, invalid_argument for a name that leads out of the folder, for
/// nesting beyond 16 (a file that names itself) and a result beyond 64 KiB, io.
IMPASTO_API std::string expand_wildcards(const std::string& prompt, const std::string& folder, std::uint64_t seed);

}  // namespace impasto
