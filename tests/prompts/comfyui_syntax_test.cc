// Expectations are worked out by hand from ComfyUI's README and its parser's rules.
#include "core/fail.h"
#include "prompts/parts.h"
#include "support/expect_error.h"

namespace impasto::test {
namespace {

void expect(const std::string& prompt, const std::vector<Part>& parts) {
  SCOPED_TRACE(prompt);
  expect_parts(parse_comfyui(prompt), parts);
}

TEST(ComfyuiSyntax, RoundBracketsMultiplyAndNumbersReplace) {
  expect("a (red) boat", {{"a "}, {"red", 1.1}, {" boat"}});
  expect("((red))", {{"red", 1.1 * 1.1}});
  expect("(red:1.3)", {{"red", 1.3}});
  expect("(a (red:0.5) (sea):2)", {{"a ", 2}, {"red", 0.5}, {" ", 2}, {"sea", 2 * 1.1}});
}

TEST(ComfyuiSyntax, OnlyRoundBracketsMeanAnything) { expect("[a:b:0.5] BREAK [c] {d|e}", {{"[a:b:0.5] BREAK [c] {d|e}"}}); }

TEST(ComfyuiSyntax, TheLastColonCounts) {
  expect("(a:b: 1.2 )", {{"a:b", 1.2}});
  expect("(a:much)", {{"a:much", 1.1}});
  expect("(:1.3)", {{":1.3", 1.1}});
  expect("(a:1e1)", {{"a", 10}});
  expect("(a:inf)", {{"a:inf", 1.1}});
}

TEST(ComfyuiSyntax, BackslashMakesTextOfRoundBrackets) { expect(R"(\(a\) \\ c\d (b\)))", {{R"((a) \\ c\d )"}, {"b)", 1.1}}); }

TEST(ComfyuiSyntax, BracketsWithoutPartnersAreText) {
  expect("a (b", {{"a "}, {"(b"}});
  expect("((a)", {{"(a", 1.1}});
  expect("a) (b) c", {{"a) (b) c"}});
}

TEST(ComfyuiSyntax, RefusesWhatIsNoTextAndAbsurdNesting) {
  EXPECT_ERROR(parse_comfyui("a \xff"), invalid_argument, "UTF-8");
  EXPECT_EQ(parse_comfyui(std::string(100, '(') + "a" + std::string(100, ')')).size(), 1u);
  EXPECT_ERROR(parse_comfyui(std::string(101, '(') + "a" + std::string(101, ')')), invalid_argument, "100");
}

}  // namespace
}  // namespace impasto::test
