// Expectations are worked out by hand from A1111's wiki.
#include "core/fail.h"
#include "prompts/parts.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

void expect(const std::string& prompt, const std::vector<Part>& parts) {
  SCOPED_TRACE(prompt);
  expect_parts(parse_a1111(prompt), parts);
}

TEST(A1111Syntax, WithoutBracketsIsOnePart) {
  expect("a boat, at 3:30 | {x}", {{"a boat, at 3:30 | {x}"}});
  expect("", {});
}

TEST(A1111Syntax, RoundBracketsRaiseAndSquareOnesLower) {
  expect("a (red) boat", {{"a "}, {"red", 1.1}, {" boat"}});
  expect("a [red] boat", {{"a "}, {"red", 1 / 1.1}, {" boat"}});
  expect("((red))", {{"red", 1.1 * 1.1}});
  expect("[[red]]", {{"red", 1 / 1.1 / 1.1}});
}

TEST(A1111Syntax, ColonGivesTheWeightOfRoundBrackets) {
  expect("(red:1.3)", {{"red", 1.3}});
  expect("(red: +.5 )", {{"red", 0.5}});
  expect("(red:-2)", {{"red", -2}});
  expect("(at 3:30)", {{"at 3", 30}});
  expect("((red:1.3) sea:2)", {{"red", 2.6}, {" sea", 2}});
  expect("[red:1.3]", {{"red:1.3", 1 / 1.1}});
  expect("red:1.3)", {{"red:1.3)"}});
}

TEST(A1111Syntax, WhatIsNoNumberIsText) {
  expect("(a:b)", {{"a:b", 1.1}});
  expect("(a:1.2.3)", {{"a:1.2.3", 1.1}});
  expect("(a:1e1)", {{"a:1e1", 1.1}});
  expect("(a:)", {{"a:", 1.1}});
}

TEST(A1111Syntax, BackslashMakesTextOfBrackets) {
  expect(R"(\(a\) \[b\] \\ c\d)", {{R"((a) [b] \ cd)"}});
  expect(R"((a\)))", {{"a)", 1.1}});
  expect("\\", {{""}});
}

TEST(A1111Syntax, BracketsWithoutPartners) {
  expect("a (b [c", {{"a "}, {"b ", 1.1}, {"c", 1.1 * (1 / 1.1)}});
  expect("a) b]", {{"a) b]"}});
  expect("(a [b) c]", {{"a ", 1.1}, {"b", 1.1 * (1 / 1.1)}, {" c", 1 / 1.1}});
}

TEST(A1111Syntax, NeighboursOfEqualWeightAreOneText) {
  expect("(un)(believable)", {{"unbelievable", 1.1}});
  expect("a () b", {{"a  b"}});
}

TEST(A1111Syntax, BreakIsAWordInCapitals) {
  expect("a BREAK b", {{"a"}, kBreak, {"b"}});
  expect("BREAK\n BREAK", {{""}, kBreak, {""}, kBreak, {""}});
  expect("break BREAKFAST _BREAK \u00e9BREAK", {{"break BREAKFAST _BREAK \u00e9BREAK"}});
  expect("\u3002BREAK,b", {{"\u3002"}, kBreak, {",b"}});
  expect("(a BREAK b:2)", {{"a", 2}, kBreak, {"b", 2}});
}

TEST(A1111Syntax, RefusesWhatIsNoTextAndAbsurdNesting) {
  EXPECT_ERROR(parse_a1111("a \xff"), invalid_argument, "UTF-8");
  EXPECT_EQ(parse_a1111(std::string(100, '(') + "a").size(), 1u);
  EXPECT_ERROR(parse_a1111(std::string(101, '(') + "a"), invalid_argument, "100", "backslash");
  EXPECT_ERROR(parse_a1111(std::string(50000, '[')), invalid_argument, "100");
}

}  // namespace
}  // namespace impasto::test
