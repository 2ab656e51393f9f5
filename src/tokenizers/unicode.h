// What a tokenizer needs to know of Unicode.
#pragma once

#include <string>
#include <string_view>

namespace impasto {

enum class CharClass { space, letter, number, other };  // \s, \p{L}, \p{N} and the rest

CharClass classify(char32_t c);

/// Throws invalid_argument for invalid UTF-8, with the place of the first bad byte; `what` names the text.
std::u32string from_utf8(std::string_view text, const char* what);

void append_utf8(char32_t c, std::string& out);

/// Each invalid sequence replaced by U+FFFD.
std::string repair_utf8(std::string_view text);

/// Unicode normalisation form C. Linear but for the sorting of combining marks, n log n. transformers' tokenizers do this by Unicode 9 and
/// leave younger marks where they stand; we put those in order too.
std::u32string compose(std::u32string_view text);

/// The full lower-case form, one character at a time (a sigma is a sigma wherever it stands).
std::u32string lower_case(std::u32string_view text);

}  // namespace impasto
