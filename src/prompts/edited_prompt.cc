#include "prompts/edited_prompt.h"

#include <algorithm>
#include <numeric>

#include "prompts/characters.h"

namespace impasto {

/// A bracket that was opened, and the separators since that belong to it alone.
struct EditedPrompt::Open {
  char32_t bracket;
  std::size_t at;
  std::vector<std::size_t> colons, bars;
};

namespace {

/// "12" is a step, "0.5" a share of all.
int step_of(std::u32string_view written, double value, int num_steps) {
  const double step = written.find(U'.') != written.npos ? value * num_steps : value;
  return static_cast<int>(std::clamp(std::trunc(step), -1.0, static_cast<double>(num_steps)));
}

}  // namespace

// One pass. Text inside an edit must be brackets in pairs, each of a known form: a bracket that is neither makes plain text of all that enclose it.
EditedPrompt::EditedPrompt(std::string_view prompt, int num_steps) : text_(from_utf8(prompt, "the prompt")) {
  std::vector<Open> enclosing;
  for (std::size_t i = 0; i < text_.size(); ++i) {
    switch (const char32_t c = text_[i]) {
      case U'\\': ++i; break;
      case U'(':
      case U'[':
        enclosing.push_back({c, i, {}, {}});
        require_shallow(enclosing.size());
        break;
      case U':':
        if (!enclosing.empty()) enclosing.back().colons.push_back(i);
        break;
      case U'|':
        if (!enclosing.empty()) enclosing.back().bars.push_back(i);
        break;
      case U')':
      case U']': {
        const bool fits = !enclosing.empty() && enclosing.back().bracket == (c == U')' ? U'(' : U'[');
        if (!fits) {
          enclosing.clear();
          break;
        }
        const Open bracket = std::move(enclosing.back());
        enclosing.pop_back();
        close(bracket, i, enclosing, num_steps);
        break;
      }
      default: break;
    }
  }
  std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
  const bool alternates = std::any_of(edits_.begin(), edits_.end(), [](const Edit& e) { return e.alternates; });
  last_steps_.resize(alternates ? static_cast<std::size_t>(num_steps) : 0);
  std::iota(last_steps_.begin(), last_steps_.end(), 1);
  for (const Edit& edit : edits_)
    if (!alternates && edit.when >= 1) last_steps_.push_back(edit.when);
  if (!alternates) last_steps_.push_back(num_steps);
  std::sort(last_steps_.begin(), last_steps_.end());
  last_steps_.erase(std::unique(last_steps_.begin(), last_steps_.end()), last_steps_.end());
}

void EditedPrompt::close(const Open& bracket, std::size_t at, std::vector<Open>& enclosing, int num_steps) {
  const auto& [kind, begin, colons, bars] = bracket;
  if (bars.empty() && colons.size() <= (kind == U'(' ? 1u : 0u)) return;  // a weight
  if (kind == U'[' && !bars.empty() && colons.empty()) {
    Edit edit{begin, at + 1, {{begin + 1, bars.front()}}, 0, /*alternates=*/true};
    for (std::size_t i = 0; i < bars.size(); ++i) edit.texts.push_back({bars[i] + 1, i + 1 < bars.size() ? bars[i + 1] : at});
    edits_.push_back(std::move(edit));
    return;
  }
  if (kind == U'[' && bars.empty() && (colons.size() == 1 || colons.size() == 2)) {
    const std::u32string_view written = std::u32string_view(text_).substr(colons.back() + 1, at - colons.back() - 1);
    if (const auto value = parse_number(written)) {
      const bool has_from = colons.size() == 2;
      const Range from{begin + 1, has_from ? colons.front() : begin + 1}, to{has_from ? colons.front() + 1 : begin + 1, colons.back()};
      edits_.push_back({begin, at + 1, {from, to}, step_of(written, *value, num_steps)});
      return;
    }
  }
  enclosing.clear();
}

std::string EditedPrompt::at(int step) const {
  std::u32string out;
  append({0, text_.size()}, step, out);
  return to_utf8(out);
}

void EditedPrompt::append(Range range, int step, std::u32string& out) const {
  std::size_t at = range.begin;
  auto edit = std::lower_bound(edits_.begin(), edits_.end(), at, [](const Edit& e, std::size_t place) { return e.begin < place; });
  while (edit != edits_.end() && edit->begin < range.end) {
    out += text_.substr(at, edit->begin - at);
    const auto turn = static_cast<std::size_t>(step - 1) % edit->texts.size();
    append(edit->texts[edit->alternates ? turn : (step <= edit->when ? 0 : 1)], step, out);
    at = edit->end;
    while (edit != edits_.end() && edit->begin < at) ++edit;  // those inside
  }
  out += text_.substr(at, range.end - at);
}

}  // namespace impasto
