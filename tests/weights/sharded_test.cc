#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"

namespace impasto {
namespace {

using test::make_safetensors;
using test::record;

class Sharded : public ::testing::Test {
 protected:
  // A file with one tensor of one byte.
  void write_file(const std::string& file, const std::string& tensor, const std::string& byte = "x") {
    folder_.write(file, make_safetensors("{" + record(tensor, "U8", "[1]", 0, 1) + "}", byte));
  }
  void write_index(const std::string& weight_map, const std::string& file = "model.safetensors.index.json") {
    folder_.write(file, R"({"metadata":{"total_size":2},"weight_map":)" + weight_map + "}");
  }
  std::shared_ptr<const WeightReader> open() { return open_weights(folder_.path(), "model"); }
  static char byte(const WeightReader& reader, const char* name) { return reader.find(name) ? *reader.find(name).as<char>() : '?'; }

  test::TemporaryFolder folder_;
};

TEST_F(Sharded, ReadsEachTensorFromTheShardThatTheIndexNames) {
  write_file("model-00001-of-00002.safetensors", "a", "1");
  folder_.write("model-00002-of-00002.safetensors",
                make_safetensors("{" + record("a", "U8", "[1]", 0, 1) + "," + record("b", "U8", "[1]", 1, 2) + "}", "XY"));
  write_index(R"({"b":"model-00002-of-00002.safetensors","a":"model-00001-of-00002.safetensors"})");
  const auto reader = open();
  EXPECT_EQ(reader->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(byte(*reader, "a"), '1');
  EXPECT_EQ(byte(*reader, "b"), 'Y');
  EXPECT_FALSE(reader->find("c"));
  char copy = 0;
  reader->read("b", &copy);
  EXPECT_EQ(copy, 'Y');
  EXPECT_ERROR(reader->read("c", &copy), not_found, "index.json", "\"c\"");
  reader->release_pages();
  EXPECT_EQ(byte(*reader, "a"), '1');
  EXPECT_NO_THROW(reader->check_unchanged());
  std::filesystem::resize_file(folder_.path("model-00002-of-00002.safetensors"), 20);
  EXPECT_ERROR(reader->check_unchanged(), bad_file, "model-00002-of-00002.safetensors");
}

TEST_F(Sharded, PrefersOneFileAndTheFullPrecision) {
  write_index(R"({"d":"d.safetensors"})", "model.safetensors.index.fp16.json");
  write_file("d.safetensors", "d");
  EXPECT_EQ(open()->names(), std::vector<std::string>{"d"});
  write_file("model.fp16.safetensors", "c");
  EXPECT_EQ(open()->names(), std::vector<std::string>{"c"});
  write_index(R"({"b":"b.safetensors"})");
  write_file("b.safetensors", "b");
  EXPECT_EQ(open()->names(), std::vector<std::string>{"b"});
  write_file("model.safetensors", "a");
  EXPECT_EQ(open()->names(), std::vector<std::string>{"a"});
}

TEST_F(Sharded, SaysWhatItLookedFor) {
  EXPECT_ERROR(open(), not_found, folder_.path(), "model.safetensors,", "model.safetensors.index.json", "model.fp16.safetensors",
               "model.safetensors.index.fp16.json", "pytorch_model.bin");
  folder_.write("pytorch_model.bin", "pickle");
  EXPECT_ERROR(open(), bad_file, folder_.path(), "pytorch_model.bin", "has 6 bytes, too few");
  EXPECT_ERROR(open_weights(folder_.path("none"), "model"), not_found, "none", "no such folder");
}

TEST_F(Sharded, NamesTheIndexThatWantsAMissingShard) {
  folder_.write("model.safetensors.index.json", R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})");
  EXPECT_ERROR(open(), not_found, "model.safetensors.index.json", "lists the file \"model-00001-of-00002.safetensors\", which is not there");
}

TEST_F(Sharded, NamesTensorAndShardWhenTheShardLacksIt) {
  write_file("s.safetensors", "a");
  write_index(R"({"a":"s.safetensors","b":"s.safetensors"})");
  EXPECT_ERROR(open(), bad_file, "index.json", "\"b\"", "s.safetensors");
}

TEST_F(Sharded, NamesTheShardThatIsMissing) {
  write_index(R"({"a":"gone.safetensors"})");
  EXPECT_ERROR(open(), not_found, "gone.safetensors");
}

TEST_F(Sharded, RefusesNamesThatLeaveTheFolder) {
  write_file("outside.safetensors", "a");
  for (const std::string file : {"../outside.safetensors", "/etc/passwd", "/tmp/x.safetensors", "sub/s.safetensors", "./s.safetensors", "..", ".", "",
                                 "s.txt", "..\\\\s.safetensors", "\\u0000.safetensors"}) {
    write_index("{\"a\":\"" + file + "\"}");
    EXPECT_ERROR(open(), bad_file, "index.json", "plain name") << file;
  }
}

TEST_F(Sharded, RefusesAnIndexThatIsNotOne) {
  const auto refused = [&](const std::string& text, const std::string& part) {
    folder_.write("model.safetensors.index.json", text);
    EXPECT_ERROR(open(), bad_file, "index.json", part);
  };
  refused("", "not valid JSON");
  refused("[]", "expected a JSON object");
  refused("{}", "no weight_map");
  refused(R"({"weight_map":[]})", "weight_map: expected a JSON object");
  refused(R"({"weight_map":{"a":1}})", "tensor \"a\": expected a file name, found number");
  refused(R"({"weight_map":{"a":"x.safetensors","a":"y.safetensors"}})", "stands twice");
}

// The Hub's cache keeps files by checksum and links to them from each snapshot's folder.
TEST_F(Sharded, FollowsLinksInTheFolder) {
  write_file("blobs/1234.safetensors", "a");
  std::filesystem::create_directories(folder_.path("snapshot"));
  std::filesystem::create_symlink("../blobs/1234.safetensors", folder_.path("snapshot/model.safetensors"));
  EXPECT_TRUE(open_weights(folder_.path("snapshot"), "model")->find("a"));
  std::filesystem::remove(folder_.path("blobs/1234.safetensors"));
  EXPECT_ERROR(open_weights(folder_.path("snapshot"), "model"), not_found, "model.safetensors", "link");
}

TEST(MemoryWeights, AnswerAsAFileDoes) {
  auto data = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const auto reader = in_memory_weights({{"b", {data->data() + 2, DType::float32, {2}}}, {"a", {data->data(), DType::float32, {1, 2}}}}, data);
  EXPECT_EQ(reader->names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader->find("a").shape, (Shape{1, 2}));
  float copy[2];
  reader->read("b", copy);
  EXPECT_EQ(copy[1], 4.0f);
  EXPECT_FALSE(reader->find("c"));
  EXPECT_ERROR(reader->read("c", copy), not_found, "\"c\"");
}

}  // namespace
}  // namespace impasto
