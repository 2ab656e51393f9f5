#include "prompts/characters.h"
#include "prompts/weighted_text.h"

namespace impasto {
namespace {

// An escaped bracket while the others are looked for: beyond Unicode, so that no prompt holds it.
constexpr char32_t kOpen = 0x110000, kClose = 0x110001;

std::u32string hide_escaped(std::u32string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t next = text[i] == U'\\' && i + 1 < text.size() ? text[i + 1] : U'\0';
    const bool bracket = next == U'(' || next == U')';
    out += bracket ? (next == U'(' ? kOpen : kClose) : text[i];
    if (bracket) ++i;
  }
  return out;
}

std::string shown(std::u32string_view text) {
  std::u32string out(text);
  for (char32_t& c : out) c = c == kOpen ? U'(' : c == kClose ? U')' : c;
  return to_utf8(out);
}

/// The text in pieces: what outermost brackets enclose, with them, and what lies between. A bracket that closes nothing stays text, and so that
/// the next that opens is taken for its partner.
std::vector<std::u32string_view> pieces(std::u32string_view text) {
  std::vector<std::u32string_view> out;
  std::size_t begin = 0;
  std::ptrdiff_t nesting = 0;
  const auto cut = [&](std::size_t end) {
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'(' && nesting++ == 0) cut(i);
    if (text[i] == U')' && --nesting == 0) cut(i + 1);
  }
  cut(text.size());
  return out;
}

void parse(std::u32string_view text, double weight, std::size_t depth, std::vector<WeightedText>& out) {
  require_shallow(depth);
  for (const std::u32string_view piece : pieces(text)) {
    if (piece.size() < 2 || piece.front() != U'(' || piece.back() != U')') {
      out.push_back({shown(piece), weight});
      continue;
    }
    std::u32string_view inner = piece.substr(1, piece.size() - 2);
    const std::size_t colon = inner.rfind(U':');
    const auto given = colon == inner.npos || colon == 0 ? std::nullopt : parse_number(inner.substr(colon + 1));
    if (given) inner = inner.substr(0, colon);
    parse(inner, given.value_or(weight * 1.1), depth + 1, out);
  }
}

}  // namespace

std::vector<WeightedText> parse_comfyui(std::string_view prompt) {
  std::vector<WeightedText> out;
  parse(hide_escaped(from_utf8(prompt, "the prompt")), 1, 0, out);
  return out;
}

}  // namespace impasto
