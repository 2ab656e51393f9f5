#include "hub/http_headers.h"

#include <gtest/gtest.h>

namespace impasto {
namespace {

HttpHeaders read(std::initializer_list<std::string_view> lines) {
  HttpHeaders headers;
  for (const auto line : lines) EXPECT_TRUE(headers.add_line(line));
  return headers;
}

TEST(HttpHeaders, NamesAreOfAnyCaseAndValuesLoseTheirEdges) {
  const HttpHeaders h = read({"HTTP/1.1 206 Partial Content\r\n", "X-Repo-COMMIT:  abc \r\n", "Empty:\r\n", "\r\n"});
  EXPECT_EQ(h.status(), 206);
  EXPECT_EQ(h.value("x-repo-commit"), "abc");
  EXPECT_TRUE(h.has("empty"));
  EXPECT_FALSE(h.has("other"));
}

TEST(HttpHeaders, AStatusLineBeginsANewAnswer) {
  const HttpHeaders h = read({"HTTP/1.1 100 Continue\r\n", "Location: http://elsewhere\r\n", "\r\n", "HTTP/2 200\r\n", "ETag: x\r\n"});
  EXPECT_EQ(h.status(), 200);
  EXPECT_FALSE(h.has("location"));
}

TEST(HttpHeaders, OfRepeatedOnesTheFirstCounts) { EXPECT_EQ(read({"HTTP/1.1 200\r\n", "A: 1\r\n", "a: 2\r\n"}).value("a"), "1"); }

TEST(HttpHeaders, SizesAreDecimalAndFitAFile) {
  const auto size = [](const std::string& text) { return read({"HTTP/1.1 200 OK\r\n", "Content-Length: " + text + "\r\n"}).size("content-length"); };
  EXPECT_EQ(size("0"), 0u);
  EXPECT_EQ(size("9223372036854775807"), 9223372036854775807u);
  for (const std::string bad : {"", "-1", "+1", "1.5", "0x10", "1e3", "9223372036854775808", "18446744073709551616", "1 2", "1,1"})
    EXPECT_FALSE(size(bad)) << bad;
}

TEST(HttpHeaders, TheLinkedEtagWins) {
  EXPECT_EQ(read({"HTTP/1.1 200\r\n", "ETag: \"a\"\r\n"}).etag(), "a");
  EXPECT_EQ(read({"HTTP/1.1 200\r\n", "ETag: W/\"a\"\r\n"}).etag(), "a");
  EXPECT_EQ(read({"HTTP/1.1 200\r\n", "ETag: \"a\"\r\n", "X-Linked-ETag: \"b\"\r\n"}).etag(), "b");
  EXPECT_EQ(read({"HTTP/1.1 200\r\n", "ETag: \"\r\n"}).etag(), "\"");
}

TEST(HttpHeaders, RetryAfterIsANumberOfSeconds) {
  EXPECT_EQ(read({"HTTP/1.1 429\r\n", "Retry-After: 7\r\n"}).retry_after(), 7);
  EXPECT_FALSE(read({"HTTP/1.1 429\r\n", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"}).retry_after());
  EXPECT_FALSE(read({"HTTP/1.1 429\r\n", "Retry-After: -7\r\n"}).retry_after());
}

TEST(HttpHeaders, WithoutEndAreCutOff) {
  HttpHeaders many, long_one;
  int lines = 0;
  while (lines < 100'000 && many.add_line("X-" + std::to_string(lines) + ": a\r\n")) ++lines;
  EXPECT_LT(lines, 2000);
  EXPECT_FALSE(long_one.add_line("X: " + std::string(1 << 20, 'a')));
}

TEST(HttpHeaders, OddStatusLinesHaveNoStatus) {
  for (const std::string line : {"HTTP/1.1\r\n", "HTTP/1.1 abc\r\n", "HTTP/1.1 \r\n", "HTTP/1.1 -20 x\r\n"})
    EXPECT_EQ(read({line}).status(), 0) << line;
}

TEST(ContentRange, IsTakenApart) {
  const auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5u);
  EXPECT_EQ(range->last, 9u);
  EXPECT_EQ(range->total, 10u);
  EXPECT_FALSE(parse_content_range("bytes 5-9/*")->total);
}

TEST(ContentRange, WhatContradictsItselfIsNone) {
  for (const std::string bad : {"", "bytes", "bytes ", "bytes 5-4/10", "bytes 5-10/10", "bytes -1-4/10", "bytes 5-9", "bytes */10", "items 5-9/10",
                                "bytes 5-9/x", "bytes 5/9-10", "bytes 5-99999999999999999999/*", "bytes 5 - 9/10"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
}

}  // namespace
}  // namespace impasto
