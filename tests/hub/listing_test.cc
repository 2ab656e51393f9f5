#include "hub/listing.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace impasto {
namespace {

const std::string kCommit(40, 'c');

Listing listing(const std::string& siblings) { return parse_listing(R"({"sha": ")" + kCommit + R"(", "siblings": )" + siblings + "}", "hub"); }

TEST(Listing, HasSizesAndHashesOfSmallAndLargeFiles) {
  const std::string sha(64, 'a'), git(40, 'b');
  const Listing l = listing(R"([{"rfilename": "x/small", "size": 3, "blobId": ")" + git + R"("}, {"rfilename": "large", "size": 9, "blobId": ")" +
                            git + R"(", "lfs": {"sha256": ")" + sha + R"(", "size": 9, "pointerSize": 134}}, {"rfilename": "bare"}])");
  EXPECT_EQ(l.commit, kCommit);
  EXPECT_EQ(l.files.at("x/small").size, 3u);
  EXPECT_EQ(l.files.at("x/small").hash, git);
  EXPECT_EQ(l.files.at("large").hash, sha);
  EXPECT_FALSE(l.files.at("bare").size);
  EXPECT_EQ(l.files.at("bare").hash, "");
}

TEST(Listing, PathsThatLeaveTheirFolderAreLeftOut) {
  const Listing l =
      listing(R"([{"rfilename": "../a"}, {"rfilename": "/etc/passwd"}, {"rfilename": "a\\b"}, {"rfilename": "a/../../b"}, {"rfilename": ""},
                               {"rfilename": "a\u0000b"}, {"rfilename": "a\nb"}, {"rfilename": 7}, {}, {"rfilename": "model_index.json"}])");
  ASSERT_EQ(l.files.size(), 1u);
  EXPECT_EQ(l.files.begin()->first, "model_index.json");
}

TEST(Listing, SizesAndHashesThatAreNoneAreLeftOut) {
  for (const std::string size : {"-1", "1.5", "\"3\"", "18446744073709551615", "9223372036854775808", "null", "[]", "1e300"})
    EXPECT_FALSE(listing(R"([{"rfilename": "a", "size": )" + size + "}]").files.at("a").size) << size;
  for (const std::string hash : {"\"x\"", "7", "null", "\"../../../../x\"", "\"CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC\""})
    EXPECT_EQ(listing(R"([{"rfilename": "a", "blobId": )" + hash + "}]").files.at("a").hash, "") << hash;
}

TEST(Listing, WhatIsNoneIsRefused) {
  for (const std::string text : {"", "null", "[]", "{", "<html>", "{}", R"({"sha": "main", "siblings": []})", "{\"sha\": 5}"})
    EXPECT_ERROR(parse_listing(text, "hub"), bad_file, "hub") << text;
  for (const std::string siblings : {"null", "{}", "5", "[5]", "[[]]"}) EXPECT_ERROR(listing(siblings), bad_file, "hub") << siblings;
  EXPECT_ERROR(parse_listing(std::string(100'000, '['), "hub"), bad_file, "nested");
  EXPECT_ERROR(parse_listing(std::string(40u << 20, ' '), "hub"), bad_file, "hub");
}

TEST(Listing, IsBounded) {
  std::string siblings = "[";
  for (int i = 0; i <= 100'000; ++i) siblings += (i > 0 ? ",{\"rfilename\":\"" : "{\"rfilename\":\"") + std::to_string(i) + "\"}";
  EXPECT_ERROR(listing(siblings + "]"), bad_file, "100000 files");
}

}  // namespace
}  // namespace impasto
