// Whether text is UTF-8: what JSON holds has to be.
#pragma once

#include <string_view>

namespace impasto {

/// RFC 3629: no byte out of place, no code point in more bytes than it needs, no surrogates, none above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace impasto
