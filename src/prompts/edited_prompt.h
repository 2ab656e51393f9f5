// A prompt that changes while a picture is drawn.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace impasto {

/// A1111's prompt editing: [from:to:when] is `from` up to step `when` and `to` afterwards, [to:when] nothing before and [from::when] nothing after
/// it; `when` is a number of steps, or with a decimal point a share of them. [a|b|c] takes turns, a new one at each step. They nest, also in
/// brackets that give weights. What does not fit the pattern stays as it is. Source: the project's wiki, "Prompt editing" and "Alternating Words",
/// and its grammar's rules; a | outside of brackets, which makes its parser give up on the whole prompt, is text here.
class EditedPrompt {
 public:
  /// Throws invalid_argument for what is not UTF-8 or nests beyond 100 brackets. num_steps >= 1.
  EditedPrompt(std::string_view prompt, int num_steps);

  /// What the prompt reads at a step, 1 to num_steps.
  std::string at(int step) const;
  /// Last steps of the stretches in which the prompt stays the same, num_steps among them, in order.
  const std::vector<int>& last_steps() const { return last_steps_; }

 private:
  struct Range {
    std::size_t begin, end;
  };
  /// "[...]" that changes; its texts take turns, or, where `when` is set, the first is followed by the second.
  struct Edit {
    std::size_t begin, end;  // behind the closing bracket
    std::vector<Range> texts;
    int when = 0;
    bool alternates = false;
  };
  struct Open;

  void close(const Open& bracket, std::size_t at, std::vector<Open>& enclosing, int num_steps);
  void append(Range range, int step, std::u32string& out) const;

  std::u32string text_;
  std::vector<Edit> edits_;  // in the order in which they begin
  std::vector<int> last_steps_;
};

}  // namespace impasto
