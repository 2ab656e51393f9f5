// Whether text is UTF-8: what JSON holds has to be.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace impasto {

/// Where the first character begins that is not UTF-8 by RFC 3629: no byte out of place, no code point in more bytes than it needs, no
/// surrogates, none above U+10FFFF. Nothing where there is none.
std::optional<std::size_t> first_not_utf8(std::string_view text);
inline bool is_utf8(std::string_view text) { return !first_not_utf8(text); }

}  // namespace impasto
