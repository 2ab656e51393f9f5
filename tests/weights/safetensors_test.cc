#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include <unistd.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"

namespace impasto {
namespace {

using test::make_safetensors;
using test::record;
using test::TemporaryFolder;

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
std::vector<T> values(const TensorView& view) {
  return {view.as<T>(), view.as<T>() + view.count()};
}

class Safetensors : public ::testing::Test {
 protected:
  std::shared_ptr<const WeightReader> open(const std::string& content) { return open_safetensors(folder_.write("w.safetensors", content)); }
  TemporaryFolder folder_;
};

TEST_F(Safetensors, ReadsEveryDtypeOfOurs) {
  struct Case {
    const char* stored;
    DType dtype;
  };
  constexpr Case kCases[] = {{"F32", DType::float32}, {"F16", DType::float16}, {"BF16", DType::bfloat16}, {"F64", DType::float64},
                             {"I64", DType::int64},   {"I32", DType::int32},   {"U8", DType::uint8}};
  for (const auto& [stored, dtype] : kCases) {
    std::string data;
    for (std::size_t i = 0; i < 6 * size_of(dtype); ++i) data += static_cast<char>('a' + i);
    const auto reader = open(make_safetensors("{" + record("x", stored, "[2,3]", 0, data.size()) + "}", data));
    const TensorView view = reader->find("x");
    EXPECT_EQ(view.dtype, dtype);
    EXPECT_EQ(view.shape, (Shape{2, 3}));
    EXPECT_EQ(view.row_stride, 3);
    ASSERT_EQ(view.bytes(), data.size());
    EXPECT_EQ(std::memcmp(view.data, data.data(), data.size()), 0) << stored;
    std::string copy(data.size(), '\0');
    reader->read("x", copy.data());
    EXPECT_EQ(copy, data);
  }
}

TEST_F(Safetensors, ListsNamesSortedAndFindsByWholeName) {
  const auto reader = open(make_safetensors("{\"__metadata__\":{\"format\":\"pt\"}," + record("b.c", "U8", "[1]", 0, 1) + "," +
                                                record("a", "U8", "[]", 1, 2) + "," + record("b", "U8", "[2,0]", 2, 2) + "}  ",
                                            "xy"));
  EXPECT_EQ(reader->names(), (std::vector<std::string>{"a", "b", "b.c"}));
  EXPECT_EQ(values<char>(reader->find("b.c")), std::vector<char>{'x'});
  EXPECT_EQ(values<char>(reader->find("a")), std::vector<char>{'y'});
  EXPECT_TRUE(reader->find("b")) << "a tensor without elements is there all the same";
  EXPECT_EQ(reader->find("b").shape, (Shape{2, 0}));
  for (const char* name : {"", "c", "b.", "b.c.d", "__metadata__"}) EXPECT_FALSE(reader->find(name)) << name;
  EXPECT_ERROR(reader->read("c", nullptr), not_found, "w.safetensors", "\"c\"");
}

TEST_F(Safetensors, AlignsTensorsThatTheFileDoesNot) {
  const std::vector<float> f{1.5f, -2, 3};
  const std::vector<double> d{0.25, 4};
  for (std::size_t padding = 0; padding < 8; ++padding) {
    const std::string header =
        "{" + record("u", "U8", "[1]", 0, 1) + "," + record("f", "F32", "[3]", 1, 13) + "," + record("d", "F64", "[2]", 13, 29) + "}";
    const auto reader = open(make_safetensors(header + std::string(padding, ' '), "u" + bytes_of(f) + bytes_of(d)));
    const TensorView vf = reader->find("f"), vd = reader->find("d");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(vf.data) % alignof(float), 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(vd.data) % alignof(double), 0u);
    EXPECT_EQ(values<float>(vf), f);
    EXPECT_EQ(values<double>(vd), d);
    EXPECT_EQ(reader->find("f").data, vf.data) << "copied once";
  }
}

TEST_F(Safetensors, KeepsContentWhenPagesAreReleased) {
  std::vector<float> f(100'000);
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(i);
  const auto reader = open(make_safetensors("{" + record("f", "F32", "[100000]", 0, 400'000) + "}", bytes_of(f)));
  const TensorView view = reader->find("f");
  EXPECT_EQ(values<float>(view), f);
  reader->release_pages();
  EXPECT_EQ(values<float>(view), f);
}

TEST_F(Safetensors, DtypesOfOthersMayExistButNotBeAskedFor) {
  constexpr std::pair<const char*, int> kBits[] = {{"BOOL", 8},    {"I8", 8},      {"I16", 16},    {"U16", 16},        {"U32", 32},
                                                   {"U64", 64},    {"C64", 64},    {"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6},
                                                   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
  for (const auto& [dtype, bits] : kBits) {
    const auto size = static_cast<std::size_t>(bits);
    const auto reader = open(make_safetensors("{" + record("x", dtype, "[8]", 0, size) + "," + record("ok", "U8", "[1]", size, size + 1) + "}",
                                              std::string(size + 1, 'x')));
    EXPECT_TRUE(reader->find("ok"));
    EXPECT_ERROR(reader->find("x"), unsupported, "w.safetensors", "\"x\"", dtype, "expected F32");
  }
}

TEST_F(Safetensors, RanksBeyondOursMayExistButNotBeAskedFor) {
  const auto reader =
      open(make_safetensors("{" + record("five", "U8", "[1,2,1,1,1]", 0, 2) + "," + record("six", "U8", "[1,2,1,1,1,1]", 2, 4) + "}", "abcd"));
  EXPECT_EQ(reader->find("five").shape, (Shape{1, 2, 1, 1, 1}));
  EXPECT_ERROR(reader->find("six"), unsupported, "\"six\"", "6 dimensions", "at most 5");
}

TEST_F(Safetensors, RefusesAFileCutAtAnyByte) {
  const std::string whole = make_safetensors("{" + record("a", "F32", "[2]", 0, 8) + "}", "12345678");
  EXPECT_NO_THROW(open(whole));
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_ERROR(open(whole.substr(0, n)), bad_file, "w.safetensors", "truncated") << n;
  EXPECT_ERROR(open(whole.substr(0, 30)), bad_file, "has 30 bytes", "header alone takes " + std::to_string(whole.size() - 16));
  EXPECT_ERROR(open(whole.substr(0, whole.size() - 3)), bad_file, "take 8 bytes", "only 5");
}

TEST_F(Safetensors, RefusesWhatIsNotAFile) {
  EXPECT_ERROR(open_safetensors(folder_.path("none.safetensors")), not_found, "none.safetensors");
  EXPECT_ERROR(open_safetensors(folder_.path()), bad_file, "folder");
  EXPECT_ERROR(open_safetensors("/dev/zero"), bad_file, "regular file");
  EXPECT_ERROR(open_safetensors(std::string("a\0b", 3)), invalid_argument, "NUL");
  std::filesystem::create_symlink("gone", folder_.path("link.safetensors"));
  EXPECT_ERROR(open_safetensors(folder_.path("link.safetensors")), not_found, "link.safetensors", "link");
}

TEST_F(Safetensors, ReadsAHundredThousandTensors) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) header += (i != 0 ? "," : "") + record("t" + std::to_string(i), "U8", "[1]", i, i + 1);
  const auto reader = open(make_safetensors(header + "}", std::string(100'000, 'x')));
  EXPECT_EQ(reader->names().size(), 100'000u);
  EXPECT_TRUE(reader->find("t99999"));
}

TEST_F(Safetensors, NoticesAFileCutOrWrittenToAfterOpening) {
  const std::string whole = make_safetensors("{" + record("a", "U8", "[9000]", 0, 9000) + "}", std::string(9000, 'a'));
  std::string copy(9000, '\0');
  const auto cut = open(whole);
  ASSERT_EQ(::truncate(cut->where().c_str(), 100), 0);
  EXPECT_ERROR(cut->find("a"), bad_file, "w.safetensors", "changed by another program");
  EXPECT_ERROR(cut->check_unchanged(), bad_file, "changed by another program");
  EXPECT_ERROR(cut->read("a", copy.data()), bad_file, "w.safetensors", "truncated");

  const auto rewritten = open(whole);
  std::filesystem::last_write_time(rewritten->where(), std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_ERROR(rewritten->find("a"), bad_file, "changed by another program");
  EXPECT_ERROR(rewritten->read("a", copy.data()), bad_file, "changed by another program");
}

TEST_F(Safetensors, GoesOnReadingAFileThatWasReplaced) {
  const auto reader = open(make_safetensors("{" + record("a", "U8", "[3]", 0, 3) + "}", "old"));
  folder_.write("new", "something else");
  std::filesystem::rename(folder_.path("new"), reader->where());
  EXPECT_EQ(values<char>(reader->find("a")), (std::vector<char>{'o', 'l', 'd'}));
}

// A mapped read would stop the process with SIGBUS here.
TEST_F(Safetensors, ReadSurvivesACutAtAnyMoment) {
  constexpr std::size_t kBytes = 1 << 20;
  const std::string whole = make_safetensors("{" + record("a", "U8", "[1048576]", 0, kBytes) + "}", std::string(kBytes, 'a'));
  std::mt19937 random(7);
  int refused = 0;
  for (int moment = 0; moment < 50; ++moment) {
    const auto reader = open(whole);
    std::atomic<bool> started = false;
    std::thread cutter([&, turns = random() % 20000] {
      while (!started) continue;
      for (std::atomic<unsigned> i = 0; i < turns; ++i) continue;
      ASSERT_EQ(::truncate(reader->where().c_str(), static_cast<off_t>(random() % kBytes)), 0);
    });
    std::string copy(kBytes, '\0');
    started = true;
    try {
      for (;;) {
        reader->read("a", copy.data());
        ASSERT_EQ(copy, std::string(kBytes, 'a'));
      }
    } catch (const Error& error) {
      refused += error.kind() == ErrorKind::bad_file;
    }
    cutter.join();
  }
  EXPECT_EQ(refused, 50);
}

}  // namespace
}  // namespace impasto
