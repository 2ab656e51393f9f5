// The encodings of text in pictures: two in a PNG, one in EXIF.
#pragma once

#include <string>
#include <string_view>

namespace impasto {

enum class TextEncoding { latin1, utf8, invalid };

/// What `text`, which should be UTF-8, needs: latin1 when every code point is below U+0100; invalid when it is malformed or holds a NUL,
/// which PNG text cannot carry.
TextEncoding text_encoding(std::string_view text);

/// One byte per code point. REQUIRES: text_encoding(text) == latin1.
std::string to_latin1(std::string_view text);

/// As UTF-8.
std::string from_latin1(std::string_view text);

/// UTF-16 without a mark of its order, big-endian. REQUIRES: well-formed UTF-8.
std::string to_utf16be(std::string_view text);

}  // namespace impasto
