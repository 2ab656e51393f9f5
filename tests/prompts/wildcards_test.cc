#include "impasto/wildcards.h"

#include <set>

#include <gtest/gtest.h>

#include "impasto/error.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/traversal.h"

namespace impasto::test {
namespace {

class Wildcards : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write("colour.txt", "red\n\n# not this\n  dark blue \r\ngreen");
    folder_.write("thing.txt", "__colour__ boat\n__colour__ house");
    folder_.write("one.txt", "only");
    std::filesystem::create_directory(folder_ / "deep");
    folder_.write("deep/place.txt", "harbour\n");
  }
  std::string expand(const std::string& prompt, std::uint64_t seed = 1) const { return expand_wildcards(prompt, folder_.path(), seed); }

  TemporaryFolder folder_;
};

TEST_F(Wildcards, AreReplacedByALineOfTheirFile) {
  std::set<std::string> drawn;
  for (std::uint64_t seed = 0; seed < 50; ++seed) drawn.insert(expand("a __colour__ boat", seed));
  EXPECT_EQ(drawn, (std::set<std::string>{"a red boat", "a dark blue boat", "a green boat"}));
  EXPECT_EQ(expand("__one____one__ at the __deep/place__"), "onlyonly at the harbour");
}

TEST_F(Wildcards, AByteOrderMarkIsNoPartOfALine) {
  folder_.write("marked.txt", "\xEF\xBB\xBFred");
  EXPECT_EQ(expand("__marked__"), "red");
}

TEST_F(Wildcards, AreDrawnAloneByTheSeed) {
  std::set<std::string> drawn;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    drawn.insert(expand("__colour__, __colour__ and __colour__", seed));
    EXPECT_EQ(expand("__colour__, __colour__ and __colour__", seed), expand("__colour__, __colour__ and __colour__", seed));
  }
  EXPECT_EQ(drawn.size(), 27u) << "each by itself";
  // The first number of the standard's mt19937_64 for the seed 1 is 2469588189546311528, which leaves 2 when divided by 3.
  EXPECT_EQ(expand("__colour__", 1), "green");
}

TEST_F(Wildcards, MayStandInLines) {
  std::set<std::string> drawn;
  for (std::uint64_t seed = 0; seed < 100; ++seed) drawn.insert(expand("__thing__", seed));
  EXPECT_EQ(drawn.size(), 6u);
}

TEST_F(Wildcards, WhatIsNoNameIsText) {
  for (const char* text : {"", "a_b", "snake__case", "____", "______", "__ x __", "__a:b__", "__caf\u00e9__"}) EXPECT_EQ(expand(text), text);
}

TEST_F(Wildcards, NamesNeverLeadOutOfTheFolder) {
  const std::string folder = folder_ / "deep";
  folder_.write("secret.txt", "what lies outside");
  for (const char* target : {"secret", "secret.txt", "../deep/../secret"})
    for (const std::string& name : traversals(target)) {
      std::string drawn;
      try {
        drawn = expand_wildcards("__" + name + "__", folder, 1);
      } catch (const Error& e) {
        EXPECT_TRUE(e.kind() == ErrorKind::invalid_argument || e.kind() == ErrorKind::not_found) << name << ": " << e.what();
        continue;
      }
      EXPECT_EQ(drawn, "__" + name + "__") << "no name, so it stays as it is";
    }
}

TEST_F(Wildcards, RefusesNamesWithoutAListAndOutsideTheFolder) {
  EXPECT_ERROR(expand("__no such__"), not_found, "__no such__", "no such.txt");
  EXPECT_ERROR(expand("__deep__"), not_found, "deep.txt");
  for (const char* text : {"__../secret__", "__/etc/passwd__", "__deep/../../secret__"})
    EXPECT_ERROR(expand(text), invalid_argument, "out of the folder");
  folder_.write("empty.txt", "# nothing\n\n");
  EXPECT_ERROR(expand("__empty__"), bad_file, "empty.txt", "no line");
  folder_.write("latin.txt", "# caf\xe9\ntea\ncaf\xe9\n");
  EXPECT_ERROR(expand("__latin__"), bad_file, "latin.txt: line 3", "UTF-8");
  EXPECT_ERROR(expand_wildcards("a", folder_ / "none", 1), not_found, "none");
}

TEST_F(Wildcards, EndsWhereListsNameThemselvesOrGrowWithoutBound) {
  folder_.write("self.txt", "a __self__");
  EXPECT_ERROR(expand("__self__"), invalid_argument, "__self__", "16 deep");
  std::string line;
  for (int i = 0; i < 100; ++i) line += "__b__";
  folder_.write("a.txt", line);
  folder_.write("b.txt", std::string(1000, 'x'));
  EXPECT_ERROR(expand("__a__"), invalid_argument, "65536 bytes");
}

}  // namespace
}  // namespace impasto::test
