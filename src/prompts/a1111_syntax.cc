#include "prompts/characters.h"
#include "prompts/weighted_text.h"

namespace impasto {
namespace {

constexpr double kRound = 1.1, kSquare = 1 / 1.1;

/// Reads a prompt from left to right. A bracket's weight is known when it closes, and goes to all parts since it opened.
class Parser {
 public:
  explicit Parser(std::u32string_view text) : text_(text) {}

  std::vector<WeightedText> parse() {
    while (at_ < text_.size()) step();
    for (const std::size_t begin : round_) multiply(begin, kRound);
    for (const std::size_t begin : square_) multiply(begin, kSquare);
    return joined();
  }

 private:
  struct Part {
    std::u32string text;
    double weight = 1;
    bool starts_chunk = false;
  };

  void step() {
    const char32_t c = text_[at_];
    if (c == U'\\') {
      escaped();
    } else if (c == U'(') {
      open(round_);
    } else if (c == U'[') {
      open(square_);
    } else if (c == U':' && !round_.empty() && close_with_weight()) {
    } else if (c == U')' && !round_.empty()) {
      close(round_, kRound);
    } else if (c == U']' && !square_.empty()) {
      close(square_, kSquare);
    } else {
      plain();
    }
  }

  /// A backslash before a bracket or another backslash makes it text; before anything else it is dropped.
  void escaped() {
    constexpr std::u32string_view kEscapable = U"()[]\\";
    ++at_;
    const bool taken = at_ < text_.size() && kEscapable.find(text_[at_]) != kEscapable.npos;
    parts_.push_back({std::u32string(text_.substr(at_, taken ? 1 : 0))});
    at_ += taken ? 1 : 0;
  }

  void open(std::vector<std::size_t>& brackets) {
    brackets.push_back(parts_.size());
    require_shallow(brackets.size());
    ++at_;
  }

  void close(std::vector<std::size_t>& brackets, double weight) {
    multiply(brackets.back(), weight);
    brackets.pop_back();
    ++at_;
  }

  /// ":1.2)", with white space around the number.
  bool close_with_weight() {
    const std::size_t end = text_.find_first_not_of(U"+-.0123456789 \t\n\v\f\r", at_ + 1);
    if (end == text_.npos || text_[end] != U')') return false;
    const auto weight = parse_number(text_.substr(at_ + 1, end - at_ - 1));
    if (!weight) return false;
    at_ = end;
    close(round_, *weight);
    return true;
  }

  void multiply(std::size_t begin, double weight) {
    for (std::size_t i = begin; i < parts_.size(); ++i) parts_[i].weight *= weight;
  }

  /// Text up to the next character that may mean something; at least one character.
  void plain() {
    const std::size_t end = std::min(text_.find_first_of(U"\\()[]:", at_ + 1), text_.size());
    std::u32string_view text = text_.substr(at_, end - at_);
    at_ = end;
    for (auto found = find_break(text); found != text.npos; found = find_break(text)) {
      std::u32string_view before = text.substr(0, found), after = text.substr(found + kBreak.size());
      while (!before.empty() && is_space(before.back())) before.remove_suffix(1);
      while (!after.empty() && is_space(after.front())) after.remove_prefix(1);
      parts_.push_back({std::u32string(before)});
      parts_.push_back({{}, 1, /*starts_chunk=*/true});
      text = after;
    }
    parts_.push_back({std::u32string(text)});
  }

  static constexpr std::u32string_view kBreak = U"BREAK";

  /// The first BREAK that is a word of its own.
  static std::size_t find_break(std::u32string_view text) {
    for (auto at = text.find(kBreak); at != text.npos; at = text.find(kBreak, at + 1)) {
      const std::size_t end = at + kBreak.size();
      if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) return at;
    }
    return text.npos;
  }

  std::vector<WeightedText> joined() const {
    std::vector<WeightedText> out;
    for (const Part& part : parts_) {
      if (!out.empty() && !part.starts_chunk && !out.back().starts_chunk && out.back().weight == part.weight) {
        out.back().text += to_utf8(part.text);
      } else {
        out.push_back({to_utf8(part.text), part.weight, part.starts_chunk});
      }
    }
    return out;
  }

  std::u32string_view text_;
  std::size_t at_ = 0;
  std::vector<Part> parts_;
  std::vector<std::size_t> round_, square_;  // where open brackets' parts begin
};

}  // namespace

std::vector<WeightedText> parse_a1111(std::string_view prompt) { return Parser(from_utf8(prompt, "the prompt")).parse(); }

}  // namespace impasto
