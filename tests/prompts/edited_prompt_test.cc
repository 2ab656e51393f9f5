#include "prompts/edited_prompt.h"

#include <gtest/gtest.h>

#include "core/fail.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

using Stretches = std::vector<std::pair<int, std::string>>;  // last step, text

/// Each stretch's text, which is that of all its steps.
Stretches stretches(const std::string& prompt, int num_steps = 10) {
  const EditedPrompt edited(prompt, num_steps);
  Stretches out;
  int step = 1;
  for (const int last : edited.last_steps()) {
    out.emplace_back(last, edited.at(last));
    for (; step <= last; ++step) EXPECT_EQ(edited.at(step), out.back().second) << prompt << " at step " << step;
  }
  EXPECT_EQ(step, num_steps + 1) << prompt;
  return out;
}

void expect_unchanged(const std::string& prompt) { EXPECT_EQ(stretches(prompt), (Stretches{{10, prompt}})); }

TEST(EditedPrompt, WithoutEditsStaysAsItIs) {
  for (const char* prompt : {"", "a boat", "a (boat:1.2) at 3:30, [grey] and [[old]] walls", "caf\u00e9 \\[a:b:3\\]", "\\"}) expect_unchanged(prompt);
}

TEST(EditedPrompt, ChangesAfterAStepOrAShareOfThem) {
  EXPECT_EQ(stretches("a [b:c:3] d"), (Stretches{{3, "a b d"}, {10, "a c d"}}));
  EXPECT_EQ(stretches("a [b:c:.5] d"), (Stretches{{5, "a b d"}, {10, "a c d"}}));
  EXPECT_EQ(stretches("a [b : c : 1] d"), (Stretches{{1, "a b  d"}, {10, "a  c  d"}}));
  EXPECT_EQ(stretches("[b:c:0.29]", 100), (Stretches{{28, "b"}, {100, "c"}})) << "0.29 * 100 is below 29";
  EXPECT_EQ(stretches("[b:c:1.0]"), (Stretches{{10, "b"}}));
  EXPECT_EQ(stretches("[b:c:99]"), (Stretches{{10, "b"}}));
  EXPECT_EQ(stretches("[b:c:0]"), (Stretches{{10, "c"}}));
  EXPECT_EQ(stretches("[b:c:-5]"), (Stretches{{10, "c"}}));
}

TEST(EditedPrompt, BeginsLaterOrEndsSooner) {
  EXPECT_EQ(stretches("a [b:3]"), (Stretches{{3, "a "}, {10, "a b"}}));
  EXPECT_EQ(stretches("a [b::3]"), (Stretches{{3, "a b"}, {10, "a "}}));
  EXPECT_EQ(stretches("a [::3]"), (Stretches{{3, "a "}, {10, "a "}}));
}

TEST(EditedPrompt, TakesTurns) {
  EXPECT_EQ(stretches("[cow|horse]s", 3), (Stretches{{1, "cows"}, {2, "horses"}, {3, "cows"}}));
  EXPECT_EQ(stretches("[fe|]male", 2), (Stretches{{1, "female"}, {2, "male"}}));
  EXPECT_EQ(stretches("[a|b||(c:1.1)]", 5), (Stretches{{1, "a"}, {2, "b"}, {3, ""}, {4, "(c:1.1)"}, {5, "a"}}));
}

TEST(EditedPrompt, Nests) {
  EXPECT_EQ(stretches("a[b:[c:d:2]:1]e"), (Stretches{{1, "abe"}, {2, "ace"}, {10, "ade"}}));
  EXPECT_EQ(stretches("a [[[b]]:2]"), (Stretches{{2, "a "}, {10, "a [[b]]"}}));
  EXPECT_EQ(stretches("[(a:2):3]"), (Stretches{{3, ""}, {10, "(a:2)"}}));
  EXPECT_EQ(stretches("([a:b:1] c:1.3) [d:2]"), (Stretches{{1, "(a c:1.3) "}, {2, "(b c:1.3) "}, {10, "(b c:1.3) d"}}));
  EXPECT_EQ(stretches("[[a|b]:c:2]", 3), (Stretches{{1, "a"}, {2, "b"}, {3, "c"}}));
  EXPECT_EQ(stretches("[[a|b]|c]", 4), (Stretches{{1, "a"}, {2, "c"}, {3, "a"}, {4, "c"}})) << "every turn counts steps of its own accord";
}

TEST(EditedPrompt, EscapedCharactersSeparateNothing) {
  EXPECT_EQ(stretches("[a\\:b:c\\]:3]"), (Stretches{{3, "a\\:b"}, {10, "c\\]"}}));
  EXPECT_EQ(stretches("[a\\|b|c]", 2), (Stretches{{1, "a\\|b"}, {2, "c"}}));
}

TEST(EditedPrompt, WhatFitsNoPatternIsText) {
  for (const char* prompt : {"[a:b:c:3]", "[a:b]", "[a:b:x]", "[a|b:3]", "[a:b:3", "a:b:3]", "[a (b:c:3]", "(a|b)", "[a:b:inf]"})
    expect_unchanged(prompt);
  EXPECT_EQ(stretches("((a][:b:c [d:3]"), (Stretches{{3, "((a][:b:c "}, {10, "((a][:b:c d"}}));
  EXPECT_EQ(stretches("[x:y:z:[d:3]:1]"), (Stretches{{3, "[x:y:z::1]"}, {10, "[x:y:z:d:1]"}})) << "what is inside counts";
  EXPECT_EQ(stretches("[a (b ] c) [d:3]"), (Stretches{{3, "[a (b ] c) "}, {10, "[a (b ] c) d"}}));
  EXPECT_EQ(stretches("x | y [d:3]"), (Stretches{{3, "x | y "}, {10, "x | y d"}}));
}

TEST(EditedPrompt, RefusesWhatIsNoTextAndAbsurdNesting) {
  EXPECT_ERROR(EditedPrompt("[a:\xff:3]", 10), invalid_argument, "UTF-8");
  EXPECT_ERROR(EditedPrompt(std::string(101, '['), 10), invalid_argument, "100");
}

}  // namespace
}  // namespace impasto::test
