#include "tokenizers/unicode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include "core/fail.h"

namespace impasto {
namespace {

// utf8proc 2.8 knows Unicode 15.0; prompts are split by 16 and put into lower case by 17, as transformers' tokenizers do today. These are
// the letters, numbers and capitals that came between.
struct NewClass {
  char32_t first, last;
  CharClass char_class;
};

constexpr CharClass L = CharClass::letter, N = CharClass::number;
constexpr std::array kNewClasses{
    NewClass{0x1C89, 0x1C8A, L},   NewClass{0xA7CB, 0xA7CD, L},   NewClass{0xA7DA, 0xA7DC, L},   NewClass{0x105C0, 0x105F3, L},
    NewClass{0x10D40, 0x10D49, N}, NewClass{0x10D4A, 0x10D65, L}, NewClass{0x10D6F, 0x10D85, L}, NewClass{0x10EC2, 0x10EC4, L},
    NewClass{0x11380, 0x11389, L}, NewClass{0x1138B, 0x1138B, L}, NewClass{0x1138E, 0x1138E, L}, NewClass{0x11390, 0x113B5, L},
    NewClass{0x113B7, 0x113B7, L}, NewClass{0x113D1, 0x113D1, L}, NewClass{0x113D3, 0x113D3, L}, NewClass{0x116D0, 0x116E3, N},
    NewClass{0x11BC0, 0x11BE0, L}, NewClass{0x11BF0, 0x11BF9, N}, NewClass{0x13460, 0x143FA, L}, NewClass{0x16100, 0x1611D, L},
    NewClass{0x16130, 0x16139, N}, NewClass{0x16D40, 0x16D6C, L}, NewClass{0x16D70, 0x16D79, N}, NewClass{0x18CFF, 0x18CFF, L},
    NewClass{0x1CCF0, 0x1CCF9, N}, NewClass{0x1E5D0, 0x1E5ED, L}, NewClass{0x1E5F0, 0x1E5F0, L}, NewClass{0x1E5F1, 0x1E5FA, N},
    NewClass{0x2EBF0, 0x2EE5D, L}};

struct NewCapitals {
  char32_t first, last, first_small;
};
constexpr std::array kNewCapitals{NewCapitals{0x1C89, 0x1C89, 0x1C8A},   NewCapitals{0xA7CB, 0xA7CB, 0x0264}, NewCapitals{0xA7CC, 0xA7CC, 0xA7CD},
                                  NewCapitals{0xA7CE, 0xA7CE, 0xA7CF},   NewCapitals{0xA7D2, 0xA7D2, 0xA7D3}, NewCapitals{0xA7D4, 0xA7D4, 0xA7D5},
                                  NewCapitals{0xA7DA, 0xA7DA, 0xA7DB},   NewCapitals{0xA7DC, 0xA7DC, 0x019B}, NewCapitals{0x10D50, 0x10D65, 0x10D70},
                                  NewCapitals{0x16EA0, 0x16EB8, 0x16EBB}};

// The entry of a table sorted by ranges that holds c, or nullptr.
template <typename Table>
auto find_range(const Table& table, char32_t c) -> decltype(table.data()) {
  const auto place = std::lower_bound(table.begin(), table.end(), c, [](const auto& range, char32_t value) { return range.last < value; });
  return place != table.end() && place->first <= c ? &*place : nullptr;
}

constexpr auto kCompose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
constexpr auto kDecompose = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);

// The next character of `text` from byte `at` on and its length; length 0 when the bytes are not UTF-8.
std::pair<char32_t, std::size_t> next_character(std::string_view text, std::size_t at) {
  utf8proc_int32_t c = 0;
  const auto rest = std::min<std::size_t>(text.size() - at, 4);
  const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at), static_cast<utf8proc_ssize_t>(rest), &c);
  return length > 0 ? std::pair{static_cast<char32_t>(c), static_cast<std::size_t>(length)} : std::pair{U'\uFFFD', std::size_t{0}};
}

// utf8proc sorts marks by swapping neighbours, which a prompt of nothing but marks makes quadratic: hence a sort of our own.
void sort_marks(std::vector<utf8proc_int32_t>& text) {
  const auto order = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (auto first = text.begin(); first != text.end();) {
    if (order(*first) == 0) {
      ++first;
      continue;
    }
    const auto last = std::find_if(first, text.end(), [&](auto c) { return order(c) == 0; });
    std::stable_sort(first, last, [&](auto a, auto b) { return order(a) < order(b); });
    first = last;
  }
}

}  // namespace

CharClass classify(char32_t c) {
  if ((c >= 0x09 && c <= 0x0D) || c == 0x85) return CharClass::space;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return CharClass::space;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return CharClass::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return CharClass::number;
    case UTF8PROC_CATEGORY_CN: {
      const NewClass* added = find_range(kNewClasses, c);
      return added != nullptr ? added->char_class : CharClass::other;
    }
    default: return CharClass::other;
  }
}

std::u32string from_utf8(std::string_view text, const char* what) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = next_character(text, at);
    if (length == 0)
      fail(ErrorKind::invalid_argument, what, " is not valid UTF-8: byte ", at, " is 0x", std::hex, int{static_cast<unsigned char>(text[at])});
    out += c;
    at += length;
  }
  return out;
}

void append_utf8(char32_t c, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = next_character(text, at);
    append_utf8(c, out);
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

std::u32string compose(std::u32string_view text) {
  std::vector<utf8proc_int32_t> out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    // Four characters are the longest canonical decomposition of one.
    utf8proc_int32_t parts[8];
    int unused = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, std::size(parts), kDecompose, &unused);
    IMPASTO_CHECK(count >= 0 && count <= static_cast<utf8proc_ssize_t>(std::size(parts)));
    out.insert(out.end(), parts, parts + count);
  }
  sort_marks(out);
  const auto count = utf8proc_normalize_utf32(out.data(), static_cast<utf8proc_ssize_t>(out.size()), kCompose);
  IMPASTO_CHECK(count >= 0);
  return {out.begin(), out.begin() + count};
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    const NewCapitals* added = find_range(kNewCapitals, c);
    if (c == U'\u0130') {
      out += U"i\u0307";  // the one character whose lower case is two
    } else if (added != nullptr) {
      out += static_cast<char32_t>(c - added->first + added->first_small);
    } else {
      out += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    }
  }
  return out;
}

}  // namespace impasto
