#include "tokenizers/unicode.h"

#include <gtest/gtest.h>

namespace impasto {
namespace {

TEST(Unicode, ClassesAreThoseOfTheRegularExpression) {
  for (const char32_t c : std::u32string_view(U"\t\n\v\f\r \u0085\u00A0\u1680\u2003\u2028\u2029\u202F\u205F\u3000"))
    EXPECT_EQ(classify(c), CharClass::space) << std::hex << std::uint32_t{c};
  for (const char32_t c : {U'a', U'\u00e9', U'\u01C5', U'\u02B0', U'\u05D0', U'\u4E2D', U'\U00020000'}) EXPECT_EQ(classify(c), CharClass::letter);
  for (const char32_t c : {U'0', U'\u0661', U'\u2167', U'\u00BD', U'\u3007'}) EXPECT_EQ(classify(c), CharClass::number);
  for (const char32_t c :
       {U'!', U'_', U'\u0301', U'\u200B', U'\u200D', U'\uFEFF', U'\u001C', U'\0', U'\uE000', U'\uFFFF', U'\U0001F600', U'\U0010FFFF'})
    EXPECT_EQ(classify(c), CharClass::other) << std::hex << std::uint32_t{c};
}

TEST(Unicode, KnowsLettersYoungerThanTheLibrary) {
  EXPECT_EQ(classify(U'\U0002EBF0'), CharClass::letter);  // 15.1
  EXPECT_EQ(classify(U'\U00010D40'), CharClass::number);  // 16
  EXPECT_EQ(classify(U'\U00010D50'), CharClass::letter);
  EXPECT_EQ(classify(U'\U00010D66'), CharClass::other);
  EXPECT_EQ(lower_case(U"\U00010D50\U00010D65\uA7DC"), U"\U00010D70\U00010D85\u019B");
}

TEST(Unicode, LowerCaseIsFullAndKnowsNoContext) {
  EXPECT_EQ(lower_case(U"AbC \u00C9\u0130\u039F\u03A3 \u1E9E\u01C5"), U"abc \u00E9i\u0307\u03BF\u03C3 \u00DF\u01C6");
}

TEST(Unicode, ComposesCanonically) {
  EXPECT_EQ(compose(U"e\u0301"), U"\u00E9");
  EXPECT_EQ(compose(U"\u212B\u2126"), U"\u00C5\u03A9");
  EXPECT_EQ(compose(U"\u1112\u1161\u11AB"), U"\uD55C");
  EXPECT_EQ(compose(U"a\u0301\u0316"), U"\u00E1\u0316") << "marks are put in order first";
  EXPECT_EQ(compose(U"\u0958"), U"\u0915\u093C") << "excluded from composition";
  EXPECT_EQ(compose(U"\uFB01\u00BD"), U"\uFB01\u00BD") << "compatibility forms stay";
  EXPECT_EQ(compose(U""), U"");
}

TEST(Unicode, ComposesLongRunsOfMarks) {
  std::u32string marks;
  for (int i = 0; i < 100'000; ++i) marks += i % 2 == 0 ? U'\u0301' : U'\u0316';
  const std::u32string expected = std::u32string(50'000, U'\u0316') + std::u32string(50'000, U'\u0301');
  EXPECT_EQ(compose(marks), expected);
}

TEST(Unicode, RepairsWhatIsNotUtf8) {
  EXPECT_EQ(repair_utf8("a\xC3\xA9\xFF\xE2\x82z"), "a\u00e9\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(from_utf8("a\u00e9\U0001F600", "text"), U"a\u00e9\U0001F600");
}

}  // namespace
}  // namespace impasto
