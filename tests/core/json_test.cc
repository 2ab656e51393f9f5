#include "core/json.h"

#include <sys/stat.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {

using test::TemporaryFolder;

Json parse(std::string_view text) { return parse_json(text, "here.json"); }
JsonObject object(std::string_view text) { return JsonObject(parse(text), "here.json"); }

TEST(Json, ParsesWhatNlohmannParses) {
  const std::string texts[] = {"null",
                               "-0.5e3",
                               R"("é\ud83d\ude00\u0000")",
                               "[]",
                               "{}",
                               R"([1,[2,{"a":[true,false,null]},"x"],{}])",
                               R"({"b":{"c":[{}]},"a":18446744073709551615})"};
  for (const std::string& text : texts) EXPECT_EQ(parse(text), Json::parse(text)) << text;
}

TEST(Json, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_ERROR(parse(R"({"a":1,"b":2,"a":3})"), bad_file, "here.json", "\"a\"", "twice");
  EXPECT_ERROR(parse(R"([{"x":{"q":1,"q":1}}])"), bad_file, "\"q\"");
  EXPECT_ERROR(parse(R"({"a":1,"\u0061":2})"), bad_file, "\"a\"");
  EXPECT_NO_THROW(parse(R"([{"a":1},{"a":2}])"));
}

TEST(Json, RefusesNestingBeyondTheLimit) {
  const auto nested = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NO_THROW(parse(nested(32)));
  EXPECT_ERROR(parse(nested(33)), bad_file, "deeper than 32");
  EXPECT_ERROR(parse(std::string(1 << 20, '[')), bad_file, "deeper than 32");
  EXPECT_NO_THROW(parse_json(nested(40), "here.json", {.max_depth = 40}));
}

TEST(Json, RefusesWhatIsNotOneJsonValue) {
  using namespace std::string_literals;
  const std::string texts[] = {"",          " ",         "{",        "[1,]",         "{\"a\":1,}",       "{\"a\" 1}",   "1 2",    "{} x", "{}\0"s,
                               "{}\0junk"s, "\"a\0b\""s, "nul",      "NaN",          "Infinity",         "1e999",       "01",     "+1",   ".5",
                               "'a'",       "// c\n1",   "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"\n\"", "\xff"};
  for (const std::string& text : texts) EXPECT_ERROR(parse(text), bad_file, "here.json", "not valid JSON at byte");
}

TEST(Json, TakesPythonConstantsOfAFileForMissing) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.json", R"({"a": -Infinity, "b": [NaN, Infinity], "c": "NaN \" -Infinity", "d": 1})");
  EXPECT_EQ(read_json(path), Json::parse(R"({"a": null, "b": [null, null], "c": "NaN \" -Infinity", "d": 1})"));
  EXPECT_ERROR(read_json(folder.write("b.json", "{\"a\": -NaN}")), bad_file, "not valid JSON");
}

TEST(Json, MessagesAreShortPrintableAscii) {
  try {
    parse("[\"" + std::string(100000, 'a') + "\xff\x01");
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_LT(message.size(), 300u);
    for (unsigned char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << int{c};
  }
}

TEST(Json, RefusesTextBeyondTheLimit) {
  EXPECT_NO_THROW(parse_json("[1, 2]", "here.json", {.max_bytes = 6}));
  EXPECT_ERROR(parse_json("[1, 2]", "here.json", {.max_bytes = 5}), bad_file, "6 bytes", "at most 5");
}

TEST(Json, ReadsFilesAndNamesThemInErrors) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_json(folder.write("good.json", R"({"a":[1]})")).at("a").at(0), 1);
  EXPECT_ERROR(read_json(folder.write("bad.json", "{")), bad_file, "bad.json", "byte");
  EXPECT_ERROR(read_json(folder.write("big.json", "[1, 2]"), {.max_bytes = 5}), bad_file, "big.json", "6 bytes");
  EXPECT_ERROR(read_json(folder.path("none.json")), not_found, "none.json");
  EXPECT_ERROR(read_json(folder.path("good.json/x")), not_found, "good.json/x");
  EXPECT_ERROR(read_json(folder.path()), bad_file, "folder");
}

TEST(Json, DoesNotWaitForTheWriterOfAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("pipe.json").c_str(), 0600), 0);
  EXPECT_ERROR(read_json(folder.path("pipe.json")), bad_file, "pipe.json", "regular file");
}

TEST(JsonObject, ReadsFieldsAndFallsBackOnMissingAndNull) {
  const JsonObject o = object(R"({"i":-3,"d":0.5,"b":true,"t":"x","is":[1,2],"ts":["a"],"ds":[1,0.5],"n":null})");
  EXPECT_EQ(o.integer("i", 7, -10, 10), -3);
  EXPECT_EQ(o.number("d", 7), 0.5);
  EXPECT_EQ(o.number("i", 7), -3.0);
  EXPECT_TRUE(o.boolean("b", false));
  EXPECT_EQ(o.text("t", "y"), "x");
  EXPECT_EQ(o.integers("is", {}, 0, 9), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(o.texts("ts", {}), std::vector<std::string>{"a"});
  EXPECT_EQ(o.numbers("ds", {}), (std::vector<double>{1, 0.5}));
  for (const char* key : {"n", "none"}) {
    EXPECT_FALSE(o.has(key));
    EXPECT_EQ(o.integer(key, 7, 0, 1), 7);
    EXPECT_EQ(o.number(key, 7), 7);
    EXPECT_TRUE(o.boolean(key, true));
    EXPECT_EQ(o.text(key, "y"), "y");
    EXPECT_EQ(o.integers(key, {5}, 0, 1), std::vector<std::int64_t>{5});
    EXPECT_EQ(o.texts(key, {"z"}), std::vector<std::string>{"z"});
    EXPECT_EQ(o.numbers(key, {0.25}), std::vector<double>{0.25});
  }
}

TEST(JsonObject, NamesFileFieldExpectedAndFound) {
  const JsonObject o = object(R"({"i":11,"h":18446744073709551615,"d":1.5,"t":"x","a":[1,"two",2],"o":{},"b":true})");
  EXPECT_ERROR(o.integer("i", 0, 1, 10), bad_file, "here.json: field i", "from 1 to 10", "found 11");
  EXPECT_ERROR(o.integer("h", 0, INT64_MIN, INT64_MAX), bad_file, "field h", "18446744073709551615");
  EXPECT_ERROR(o.integer("d", 0, 0, 9), bad_file, "field d", "integer", "1.5");
  EXPECT_ERROR(o.integer("b", 0, 0, 9), bad_file, "field b", "integer", "true");
  EXPECT_ERROR(o.number("t", 0), bad_file, "field t", "a number", "\"x\"");
  EXPECT_ERROR(o.boolean("i", false), bad_file, "field i", "true or false", "11");
  EXPECT_ERROR(o.text("o", ""), bad_file, "field o", "a string", "an object");
  EXPECT_ERROR(o.text("a", ""), bad_file, "field a", "an array of 3");
  EXPECT_ERROR(o.integers("a", {}, 0, 9), bad_file, "field a[1]", "\"two\"");
  EXPECT_ERROR(o.numbers("a", {}), bad_file, "field a[1]", "a number");
  EXPECT_ERROR(o.texts("a", {}), bad_file, "field a[0]", "a string", "found 1");
  EXPECT_ERROR(o.texts("t", {}), bad_file, "field t", "an array of strings");
}

TEST(JsonObject, RefusesOtherValues) { EXPECT_ERROR(object("[1, 2]"), bad_file, "here.json", "object", "an array of 2"); }

}  // namespace
}  // namespace impasto
