// Headers that lie: each must be refused, with a message that says where and what was expected.
#include <functional>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"
#include "weights/safetensors_header.h"

namespace impasto {
namespace {

using namespace std::string_literals;
using test::make_safetensors;
using test::record;

struct Hostile {
  const char* name;
  std::string header;
  std::uint64_t data_bytes;
  const char* message;  // a part of the error; nullptr: accepted
};

void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return R"({"a":{"dtype":)" + std::string(dtype) + R"(,"shape":)" + std::string(shape) + R"(,"data_offsets":)" + std::string(offsets) + "}}";
}
std::string two(std::uint64_t begin_a, std::uint64_t end_a, std::uint64_t begin_b, std::uint64_t end_b) {
  const auto u8 = [](const char* name, std::uint64_t b, std::uint64_t e) { return record(name, "U8", "[" + std::to_string(e - b) + "]", b, e); };
  return "{" + u8("a", begin_a, end_a) + "," + u8("b", begin_b, end_b) + "}";
}
std::string with_unknown(const std::string& field) { return R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],)" + field + "}}"; }
std::string with_metadata(const std::string& metadata) { return "{" + metadata + "," + record("a", "U8", "[1]", 0, 1) + "}"; }

const Hostile kHostile[] = {
    // --- the JSON
    {"Empty", "", 0, "not valid JSON"},
    {"Spaces", "    ", 0, "not valid JSON"},
    {"Array", "[]", 0, "expected a JSON object, found an array"},
    {"Number", "7", 0, "expected a JSON object, found a number"},
    {"Text", "\"a\"", 0, "expected a JSON object, found a string"},
    {"Unclosed", R"({"a":{"dtype":"U8")", 0, "not valid JSON at byte 19: syntax error"},
    {"TrailingText", "{} {}", 0, "not valid JSON"},
    {"TrailingNul", "{}\0"s, 0, "NUL at byte 3"},
    {"HiddenBehindNul", "{}\0{\"a\":1}"s, 0, "NUL at byte 3"},
    {"ByteOrderMark", "\xEF\xBB\xBF{}", 0, "not valid JSON"},
    {"InvalidUtf8Name", "{" + record("\xFF", "U8", "[1]", 0, 1) + "}", 1, "not valid JSON"},
    {"LoneSurrogateName", "{" + record("\\ud800", "U8", "[1]", 0, 1) + "}", 1, "not valid JSON"},
    {"Comment", "{/* */}", 0, "not valid JSON"},
    // --- names
    {"DuplicateName", "{" + record("a", "U8", "[4]", 0, 4) + "," + record("a", "F32", "[1]", 0, 4) + "}", 4, "overlap"},
    {"DuplicateNameWithoutOverlap", "{" + record("a", "U8", "[4]", 0, 4) + "," + record("a", "F32", "[1]", 4, 8) + "}", 8, "\"a\" stands twice"},
    {"DuplicateNameByEscape", "{" + record("a", "U8", "[0]", 0, 0) + "," + record("\\u0061", "U8", "[0]", 0, 0) + "}", 0, "\"a\" stands twice"},
    {"DuplicateMetadata", with_metadata(R"("__metadata__":{},"__metadata__":{})"), 1, "\"__metadata__\" stands twice"},
    {"DuplicateMetadataKey", with_metadata(R"("__metadata__":{"k":"1","k":"2"})"), 1, "\"k\" stands twice in __metadata__"},
    {"MetadataOfNumbers", with_metadata(R"("__metadata__":{"k":1})"), 1, "expected an object of strings, found a number"},
    {"MetadataOfObjects", with_metadata(R"("__metadata__":{"k":{}})"), 1, "expected an object of strings, found an object"},
    {"MetadataArray", with_metadata(R"("__metadata__":[])"), 1, "expected an object of strings, found an array"},
    // --- records
    {"RecordIsNull", R"({"a":null})", 0, "tensor \"a\": expected an object, found null"},
    {"RecordIsArray", R"({"a":["U8",[1],[0,1]]})", 1, "tensor \"a\": expected an object, found an array"},
    {"NoDtype", R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "tensor \"a\": has no dtype"},
    {"NoShape", R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "has no shape"},
    {"NoOffsets", R"({"a":{"dtype":"U8","shape":[1]}})", 1, "has no data_offsets"},
    {"DuplicateDtype", R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1, "the field dtype stands twice"},
    {"DuplicateOffsets", R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}})", 1, "data_offsets stands twice"},
    {"UnknownDtype", one("\"F33\"", "[1]", "[0,4]"), 4, "unknown dtype \"F33\""},
    {"DtypeInLowerCase", one("\"f32\"", "[1]", "[0,4]"), 4, "unknown dtype \"f32\""},
    {"DtypeIsNumber", one("32", "[1]", "[0,4]"), 4, "dtype: expected a string, found a number"},
    {"DtypeIsObject", one("{\"F32\":null}", "[1]", "[0,4]"), 4, "dtype: expected a string, found an object"},
    {"ShapeIsNumber", one("\"F32\"", "1", "[0,4]"), 4, "shape: expected an array, found a number"},
    {"ShapeIsNested", one("\"F32\"", "[[1]]", "[0,4]"), 4, "found an array"},
    {"ShapeOfFractions", one("\"F32\"", "[1.0]", "[0,4]"), 4, "found a fraction"},
    {"ShapeOfTexts", one("\"F32\"", "[\"1\"]", "[0,4]"), 4, "found a string"},
    {"NegativeDimension", one("\"F32\"", "[-1]", "[0,4]"), 4, "found a negative number"},
    {"NegativeZero", one("\"F32\"", "[1]", "[-0,4]"), 4, "found a negative number"},
    {"DimensionBeyond64Bits", one("\"U8\"", "[18446744073709551616]", "[0,4]"), 4, "found a fraction"},
    {"DimensionBeyond63Bits", one("\"U8\"", "[0,9223372036854775808]", "[0,0]"), 0, "does not fit in 64 bits"},
    {"ShapeWrapsToSmall", one("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "does not fit in 64 bits"},
    {"ShapeWrapsToFour", one("\"U8\"", "[9223372036854775807,2,2]", "[0,4]"), 4, "does not fit in 64 bits"},
    {"SizeInBitsWraps", one("\"F32\"", "[2305843009213693952]", "[0,0]"), 0, "does not fit in 64 bits"},
    {"OneOffset", one("\"U8\"", "[1]", "[0]"), 1, "data_offsets holds 1 numbers, expected 2"},
    {"ThreeOffsets", one("\"U8\"", "[1]", "[0,1,1]"), 1, "data_offsets holds more than 2 numbers"},
    {"OffsetsReversed", one("\"U8\"", "[1]", "[1,0]"), 1, "data_offsets [1, 0]"},
    {"OffsetsWrap", one("\"U8\"", "[1]", "[18446744073709551615,0]"), 1, "data_offsets [18446744073709551615, 0]"},
    {"SizeTooSmall", one("\"F32\"", "[2]", "[0,4]"), 4, "2 elements of F32, which take 8 bytes"},
    {"SizeTooSmallForWideTypes", one("\"F64\"", "[4]", "[0,16]"), 16, "4 elements of F64, which take 32 bytes"},  // stable-diffusion.cpp #1396
    {"SizeTooLarge", one("\"F16\"", "[1]", "[0,4]"), 4, "1 elements of F16, which take 2 bytes"},
    {"HalfBytes", one("\"F4\"", "[3]", "[0,2]"), 2, "do not fill whole bytes"},
    {"DeepUnknownField", with_unknown("\"x\":" + std::string(33, '[') + std::string(33, ']')), 1, "deeper than 32"},
    {"EndlessUnknownField", with_unknown("\"x\":" + std::string(100'000, '[')), 1, "deeper than 32"},
    // --- cover
    {"BeginsLate", two(1, 2, 2, 3), 3, "begin at byte 1, expected 0"},
    {"Hole", two(0, 1, 2, 3), 3, "begin at byte 2, expected 1: tensors must follow each other without holes"},
    {"Overlap", two(0, 2, 1, 3), 3, "begin at byte 1, expected 2: tensors must follow each other without overlap"},
    {"SameBytesTwice", two(0, 2, 0, 2), 2, "overlap"},
    {"EmptyTensorInsideAnother", two(0, 2, 1, 1), 2, "overlap"},
    {"EmptyTensorBeyondTheEnd", two(0, 2, 9, 9), 2, "holes"},
    {"MoreDataThanTensors", two(0, 1, 1, 2), 3, "1 bytes follow the last tensor"},
    {"LessDataThanTensors", two(0, 1, 1, 2), 1, "take 2 bytes, but only 1"},
    {"DataWithoutTensors", "{}", 1, "1 bytes follow the last tensor"},
    {"OffsetsBeyondTheFile", one("\"U8\"", "[1152921504606846976]", "[0,1152921504606846976]"), 4, "but only 4"},
    // --- odd but honest
    {"NoTensors", "{}", 0, nullptr},
    {"SpacesAround", " \n{}\t ", 0, nullptr},
    {"Scalar", one("\"F32\"", "[]", "[0,4]"), 4, nullptr},
    {"EmptyTensors", two(0, 0, 0, 0), 0, nullptr},
    {"EmptyTensorBetween", two(0, 2, 2, 2), 2, nullptr},
    {"HugeButEmpty", one("\"F32\"", "[0,9223372036854775807]", "[0,0]"), 0, nullptr},
    {"FieldsInAnyOrder", R"({"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}})", 1, nullptr},
    {"UnorderedTensors", two(2, 3, 0, 2), 3, nullptr},
    {"UnknownFields", with_unknown(R"("x":[{"y":[1,-2,0.5,null,true,"z"]},{}],"x":1)"), 1, nullptr},
    {"MetadataNull", with_metadata(R"("__metadata__":null)"), 1, nullptr},
    {"EmptyName", "{" + record("", "U8", "[1]", 0, 1) + "}", 1, nullptr},
    {"NameWithNul", "{" + record("\\u0000", "U8", "[1]", 0, 1) + "}", 1, nullptr},
    {"HighRank", one("\"U8\"", "[1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, nullptr},
};

class HostileSafetensors : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, IsRefusedWithAReason) {
  const auto& [name, header, data_bytes, message] = GetParam();
  const test::TemporaryFolder folder;
  const std::string path = folder.write("w.safetensors", make_safetensors(header, std::string(data_bytes, 'x')));
  if (message == nullptr) {
    EXPECT_NO_THROW(open_safetensors(path));
  } else {
    EXPECT_ERROR(open_safetensors(path), bad_file, "w.safetensors", message);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, HostileSafetensors, ::testing::ValuesIn(kHostile), [](const auto& info) { return std::string(info.param.name); });

TEST(HostileSafetensors, HeaderLengthThatLies) {
  const test::TemporaryFolder folder;
  const auto open = [&](std::uint64_t length) { return open_safetensors(folder.write("w.safetensors", make_safetensors("{}", "", length))); };
  EXPECT_NO_THROW(open(2));
  EXPECT_ERROR(open(0), bad_file, "not valid JSON");
  EXPECT_ERROR(open(1), bad_file, "not valid JSON");
  EXPECT_ERROR(open(3), bad_file, "has 10 bytes", "takes 3");
  EXPECT_ERROR(open(kMaxHeaderBytes), bad_file, "has 10 bytes");
  for (const std::uint64_t length : {kMaxHeaderBytes + 1, std::uint64_t{1} << 63, UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX - 1})
    EXPECT_ERROR(open(length), bad_file, std::to_string(length), "at most 100000000");
}

/// `count` times what `entry` makes of its number, with commas between.
std::string many(int count, const std::function<std::string(int)>& entry) {
  std::string all;
  for (int i = 0; i < count; ++i) all += (i != 0 ? "," : "") + entry(i);
  return all;
}

// What is bounded here would otherwise cost many times the file's bytes, or minutes.
TEST(HostileSafetensors, WhatThereCanBeOfAnythingIsBounded) {
  const auto parse = [](const std::string& header) { parse_safetensors_header(header, 0, "w"); };
  const auto tensors = [](int count, std::size_t name) {
    return "{" + many(count, [&](int i) { return record(std::string(name, 'n') + std::to_string(i), "U8", "[0]", 0, 0); }) + "}";
  };
  const auto metadata = [](int count) {
    return "{\"__metadata__\":{" + many(count, [](int i) { return '"' + std::to_string(i) + "\":\"\""; }) + "}}";
  };
  const auto shape = [](int rank) { return "{" + record("a", "U8", "[" + many(rank, [](int) { return "0"; }) + "]", 0, 0) + "}"; };
  const auto unknown = [](int count) {
    return R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":[)" + many(count, [](int) { return "0"; }) + "]}}";
  };
  EXPECT_NO_THROW(parse(tensors(100'000, 1)));
  EXPECT_ERROR(parse(tensors(100'001, 1)), bad_file, "more than 100000 tensors");
  EXPECT_ERROR(parse(tensors(18, 1'000'000)), bad_file, "names and texts of the header take more than 8388608 bytes");
  EXPECT_NO_THROW(parse(metadata(100'000)));
  EXPECT_ERROR(parse(metadata(100'001)), bad_file, "__metadata__ has more than 100000 entries");
  EXPECT_NO_THROW(parse(shape(64)));
  EXPECT_ERROR(parse(shape(65)), bad_file, "tensor \"a\": has more than 64 dimensions");
  EXPECT_NO_THROW(parse(unknown(90'000)));
  EXPECT_ERROR(parse(unknown(100'001)), bad_file, "more than 100000 values");
}

TEST(HostileSafetensors, NoPartOfTheHeaderIsHeldThatIsLongerThanRealOnes) {
  const auto parse = [](const std::string& header) { parse_safetensors_header(header, 0, "w"); };
  const auto text = [](std::size_t bytes) { return R"({"__metadata__":{"k":")" + std::string(bytes, 'x') + "\"}}"; };
  EXPECT_NO_THROW(parse(text(8 << 20)));
  EXPECT_NO_THROW(parse(R"({"__metadata__":{"k":"\\","l":"\"}:","m":""}})"));
  EXPECT_ERROR(parse(text((8 << 20) + 1)), bad_file, "is longer than 8388608 bytes");
  EXPECT_NO_THROW(parse("{}" + std::string(1'000'000, ' ')));
  EXPECT_ERROR(parse("{}" + std::string(2 << 20, ' ')), bad_file, "is longer than 1048576 bytes");
  EXPECT_ERROR(parse("{\"a\":" + std::string(2 << 20, '9')), bad_file, "is longer than 1048576 bytes");
}

TEST(HostileSafetensors, LongMetadataArePassedOverUnlessTheyAreOurs) {
  const test::TemporaryFolder folder;
  const auto open = [&](const std::string& key) {
    const std::string header = "{\"__metadata__\":{\"" + key + "\":\"" + std::string(70'000, 'x') + "\"}}";
    return open_safetensors(folder.write("w.safetensors", make_safetensors(header, "")));
  };
  EXPECT_TRUE(open("ss_tag_frequency")->metadata().empty());
  EXPECT_ERROR(open("impasto.unet"), bad_file, "metadata impasto.unet has 70000 bytes, expected at most 65536");
}

TEST(HostileSafetensors, MessagesHoldNoControlCharacters) {
  const std::string header = "{" + record("\\u001b[31m\\n\\u0007\\u202e", "U9", "[1]", 0, 1) + "}";
  try {
    parse_safetensors_header(header, 1, "w");
    FAIL();
  } catch (const Error& error) {
    for (const unsigned char c : std::string(error.what())) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << int{c};
  }
}

}  // namespace
}  // namespace impasto
