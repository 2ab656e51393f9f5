#include "cli/text.h"

#include <gtest/gtest.h>

namespace impasto::cli {
namespace {

TEST(Text, PrintableKeepsLettersOfAllScripts) {
  for (const std::string text : {"plain text", "caf\u00e9 \u732b \U0001F3A8", "\u0627\u0644", "~ !"}) EXPECT_EQ(printable(text), text);
}

TEST(Text, PrintableEscapesWhatForgesLinesOrMovesTheCursor) {
  EXPECT_EQ(printable("a\r\nFORGED\t\x1b[2J\x7f"), "a\\r\\nFORGED\\t\\x1b[2J\\x7f");
  EXPECT_EQ(printable("\u009b2J\u0085"), "\\u009b2J\\u0085");                              // C1 controls
  EXPECT_EQ(printable("a\u202eb\u2066c\u2069\u200f"), "a\\u202eb\\u2066c\\u2069\\u200f");  // bidirectional controls
  EXPECT_EQ(printable("a\u2028b\u2029"), "a\\u2028b\\u2029");                              // line separators
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
}

TEST(Text, PrintableEscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("a\xc3"), "a\\xc3");                           // cut off
  EXPECT_EQ(printable("\xc0\x9b"), "\\xc0\\x9b");                    // an escape character in two bytes
  EXPECT_EQ(printable("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");           // and in three
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half a surrogate pair
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
}

TEST(Text, QuantitiesReadWell) {
  EXPECT_EQ(in_bytes(0), "0 bytes");
  EXPECT_EQ(in_bytes(999), "999 bytes");
  EXPECT_EQ(in_bytes(1000), "1.00 kB");
  EXPECT_EQ(in_bytes(999'600), "1.00 MB");
  EXPECT_EQ(in_bytes(1'719'041'928), "1.72 GB");
  EXPECT_EQ(in_bytes(12'345'678), "12.3 MB");
  EXPECT_EQ(in_bytes(5'000'000'000'000'000), "5000 TB");
  EXPECT_EQ(in_thousands(859'520'964), "860 M");
  EXPECT_EQ(in_thousands(12), "12");
}

TEST(Text, DurationsReadWell) {
  EXPECT_EQ(in_seconds(0), "0 ms");
  EXPECT_EQ(in_seconds(0.034), "34 ms");
  EXPECT_EQ(in_seconds(0.123), "0.12 s");
  EXPECT_EQ(in_seconds(9.999), "10.0 s");
  EXPECT_EQ(in_seconds(59.96), "1:00 min");
  EXPECT_EQ(in_seconds(125), "2:05 min");
  EXPECT_EQ(in_seconds(3725), "1:02:05 h");
  EXPECT_EQ(as_clock(-1), "0:00");
  EXPECT_EQ(as_clock(59.6), "1:00");
}

TEST(Text, FloatsKeepTheDigitsThatWereTyped) {
  for (const double value : {7.3, 0.1, 7.5, 0.0, 100.0}) EXPECT_EQ(as_typed(static_cast<float>(value)), value);
}

TEST(Text, WrappingKeepsWordsAndWidth) {
  const std::string text = "one two three fourteen fifteen sixteen averyveryverylongword end";
  for (std::size_t columns = 1; columns < 80; ++columns) {
    std::string again;
    for (const auto& line : wrapped(text, columns)) {
      EXPECT_TRUE(line.size() <= columns || line.find(' ') == std::string::npos) << line;
      again += (again.empty() ? "" : " ") + line;
    }
    EXPECT_EQ(again, text);
  }
}

TEST(Text, NearestFindsTypingErrorsAndBeginnings) {
  const std::vector<std::string> names = {"steps", "seed", "num-inference-steps", "negative-prompt", "scheduler", "width"};
  EXPECT_EQ(nearest("stesp", names), "steps");
  EXPECT_EQ(nearest("sed", names), "seed");
  EXPECT_EQ(nearest("negative", names), "negative-prompt");
  EXPECT_EQ(nearest("sampler", names), "");
  EXPECT_EQ(nearest("", names), "");
}

}  // namespace
}  // namespace impasto::cli
