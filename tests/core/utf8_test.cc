#include "core/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace impasto {
namespace {

TEST(Utf8, TakesTheEndsOfEachLength) {
  for (const std::string text : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
                                 "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "caf\xC3\xA9 \xE6\xB5\xB7"})
    EXPECT_TRUE(is_utf8(text)) << text;
  EXPECT_TRUE(is_utf8(std::string_view("a\0b", 3)));
}

TEST(Utf8, RefusesWhatIsOutOfPlaceTooLongOrNoCharacter) {
  for (const std::string text : {"\x80", "\xBF", "a\xC2", "\xC2\x41", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
                                 "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "caf\xE9"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Utf8, TellsWhereItEnds) {
  EXPECT_EQ(first_not_utf8("caf\xC3\xA9 \xE2\x82"), 6u);
  EXPECT_EQ(first_not_utf8("caf\xC3\xA9"), std::nullopt);
}

}  // namespace
}  // namespace impasto
