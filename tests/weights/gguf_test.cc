// GGUF files: what the gguf package writes reads as the package reads it.
#include <cstring>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "core/atomic_file.h"
#include "support/expect_error.h"
#include "support/late_bytes.h"
#include "support/temporary_folder.h"
#include "weights/block_format.h"
#include "weights/gguf.h"
#include "weights/make_torch.h"
#include "weights/writer.h"

namespace impasto {
namespace {

using test::little;

const std::string kFile = IMPASTO_TEST_DATA "/gguf/types.gguf";

std::shared_ptr<const WeightReader> expected() { return open_safetensors(IMPASTO_TEST_DATA "/gguf/expected.safetensors"); }

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Gguf, EveryTypeReadsAsThePackageReadsIt) {
  const auto file = open_weights_file(kFile), want = expected();
  int packed = 0;
  for (const std::string& name : file->names()) {
    const TensorView got = file->find(name), reference = want->find(name);
    ASSERT_TRUE(reference) << name;
    EXPECT_EQ(got.shape, reference.shape) << name;
    if (got.dtype != DType::float16 || name == "f16") continue;
    ++packed;
    std::vector<std::uint16_t> read(static_cast<std::size_t>(got.count()));
    file->read(name, read.data());
    for (std::int64_t i = 0; i < got.count(); ++i) {
      ASSERT_EQ(got.as<std::uint16_t>()[i], float32_to_float16(reference.as<float>()[i])) << name << " " << i;
      ASSERT_EQ(read[static_cast<std::size_t>(i)], got.as<std::uint16_t>()[i]) << name << " " << i;
    }
    for (const std::int64_t begin : {0, 1, 31, 33, 40, 257}) {  // ranges that cut blocks
      const std::int64_t count = std::min<std::int64_t>(70, got.count() - begin);
      file->read_range(name, static_cast<std::uint64_t>(2 * begin), static_cast<std::size_t>(2 * count), read.data());
      EXPECT_EQ(std::memcmp(read.data(), got.as<std::uint16_t>() + begin, static_cast<std::size_t>(2 * count)), 0) << name;
    }
  }
  EXPECT_EQ(packed, 11);
  EXPECT_EQ(std::memcmp(file->find("f32").data, want->find("f32").data, 6 * 64 * 4), 0);
  EXPECT_EQ(file->find("bf16").dtype, DType::bfloat16);
  EXPECT_EQ(bfloat16_to_float32(file->find("bf16").as<std::uint16_t>()[70]), want->find("bf16").as<float>()[70]);
}

TEST(Gguf, BlocksDecodeExactly) {
  const std::string bytes = content(kFile);
  const auto want = expected();
  for (const FileTensor& t : read_gguf(MemoryBytes(bytes, "file")).tensors) {
    if (t.blocks == nullptr) continue;
    const TensorView reference = want->find(t.name);
    std::vector<float> x(t.blocks->elements);
    for (std::uint64_t at = t.begin, i = 0; at < t.end; at += t.blocks->bytes, i += x.size()) {
      t.blocks->decode(reinterpret_cast<const std::uint8_t*>(bytes.data()) + at, x.data());
      ASSERT_EQ(std::memcmp(x.data(), reference.as<float>() + i, x.size() * sizeof(float)), 0) << t.name << " block " << i / x.size();
    }
  }
}

TEST(Gguf, BlocksEncodeAsThePackageDoes) {
  const auto want = expected();
  const TensorView weights = want->find("weights");
  const std::span<const float> x(weights.as<float>(), static_cast<std::size_t>(weights.count()));
  for (const auto& [name, encode] : {std::pair{"Q8_0.bytes", &encode_q8_0}, {"Q4_0.bytes", &encode_q4_0}}) {
    const TensorView bytes = want->find(name);
    std::vector<std::uint8_t> blocks(bytes.bytes());
    encode(x, blocks.data());
    EXPECT_EQ(std::memcmp(blocks.data(), bytes.data, blocks.size()), 0) << name;
  }
}

TEST(Gguf, TextsAreMetadata) {
  const auto file = open_weights_file(kFile);
  EXPECT_EQ(file->format(), "GGUF");
  EXPECT_EQ(file->metadata().at("general.architecture"), "sd1");
  EXPECT_EQ(file->metadata().at("impasto.note"), "a text");
}

TEST(Gguf, WhatIsWrittenReadsBack) {
  const test::TemporaryFolder folder;
  const auto source = expected();
  const auto tensor = [&](const std::string& name, const std::string& part, DType dtype) {
    return TensorToWrite{name, source, {part}, source->describe(part)->shape, dtype};
  };
  const std::vector<TensorToWrite> tensors{tensor("a.weight", "weights", DType::float32), tensor("b.weight", "weights", DType::float16),
                                           tensor("c.bias", "cube", DType::bfloat16)};
  const auto pack = [](const std::string& name) { return name == "a.weight" || name == "c.bias"; };
  std::uint64_t told = 0;
  write_gguf(folder / "w.gguf", tensors, "sd1", {{"key", "text"}}, Packing::q8_0, pack, [&](std::uint64_t done) { told = done; });
  EXPECT_EQ(told, content(folder / "w.gguf").size());
  const auto file = open_weights_file(folder / "w.gguf");
  EXPECT_EQ(file->names(), (std::vector<std::string>{"a.weight", "b.weight", "c.bias"}));
  EXPECT_EQ(file->metadata().at("key"), "text");
  const auto direct = open_weights_file(kFile);
  EXPECT_EQ(std::memcmp(file->find("a.weight").data, direct->find("Q8_0").data, 6 * 64 * 2), 0);
  EXPECT_EQ(std::memcmp(file->find("b.weight").data, direct->find("f16").data, 6 * 64 * 2), 0);
  EXPECT_EQ(file->find("c.bias").dtype, DType::bfloat16);  // no matrix
  EXPECT_EQ(file->find("c.bias").shape, (Shape{6, 4, 4, 4}));
}

TEST(Gguf, CutAnywhereIsRefused) {
  const test::TemporaryFolder folder;
  const std::string whole = content(kFile);
  for (std::size_t bytes = 4; bytes < whole.size() - 32; bytes += 1 + bytes / 30)
    EXPECT_ERROR(open_weights_file(folder.write("cut", whole.substr(0, bytes))), bad_file, "cut");
}

// --- made to harm

std::string text(const std::string& s) { return little(static_cast<std::uint64_t>(s.size())) + s; }

std::string tensor_record(const std::string& name, const std::vector<std::uint64_t>& dims, std::uint32_t type, std::uint64_t offset) {
  std::string bytes = text(name) + little(static_cast<std::uint32_t>(dims.size()));
  for (const std::uint64_t d : dims) bytes += little(d);
  return bytes + little(type) + little(offset);
}

std::string gguf(const std::vector<std::string>& pairs, const std::vector<std::string>& tensors, std::size_t data = 4096, std::uint32_t version = 3) {
  std::string bytes = "GGUF" + little(version) + little<std::uint64_t>(tensors.size()) + little<std::uint64_t>(pairs.size());
  for (const std::string& pair : pairs) bytes += pair;
  for (const std::string& t : tensors) bytes += t;
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(data, 'x');
}

std::string pair(const std::string& key, std::uint32_t type, const std::string& value) { return text(key) + little(type) + value; }
std::string array(std::uint32_t type, std::uint64_t count, const std::string& items) { return little(type) + little(count) + items; }

constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
const std::string kHonest = tensor_record("a", {32, 2}, 0, 0);

struct Hostile {
  const char* name;
  test::LateBytes bytes;
  ErrorKind kind;
  const char* message;  // null: accepted
};
void PrintTo(const Hostile& h, std::ostream* out) { *out << h.name; }

std::string deep_array() {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += array(9, 1, "");
  return bytes;
}

std::vector<std::string> many_long_names() {
  std::vector<std::string> tensors;
  for (std::uint64_t i = 0; i < 300; ++i) tensors.push_back(tensor_record(std::to_string(i) + std::string(60'000, 'n'), {1}, 0, 32 * i));
  return tensors;
}

const Hostile kHostile[] = {
    {"Honest", gguf({}, {kHonest}), ErrorKind::internal, nullptr},
    {"NoTensors", gguf({}, {}), ErrorKind::internal, nullptr},
    {"VersionOne", gguf({}, {kHonest}, 4096, 1), ErrorKind::unsupported, "version 1; supported are 2 and 3"},
    {"VersionFour", gguf({}, {kHonest}, 4096, 4), ErrorKind::unsupported, "version 4"},
    {"BigEndian", gguf({}, {kHonest}, 4096, 0x03000000), ErrorKind::unsupported, "big-endian"},
    {"TensorsOf2To63", "GGUF" + little(3u) + little(kHuge) + little<std::uint64_t>(0) + std::string(100, 'x'), ErrorKind::bad_file,
     "claims 9223372036854775808 tensors"},
    {"PairsOf2To63", "GGUF" + little(3u) + little<std::uint64_t>(0) + little(kHuge) + std::string(100, 'x'), ErrorKind::bad_file,
     "pairs of key and value"},
    {"MoreTensorsThanThereAre", "GGUF" + little(3u) + little<std::uint64_t>(2) + little<std::uint64_t>(0) + kHonest + std::string(10, '\0'),
     ErrorKind::bad_file, "claims 2"},
    {"KeyOf2To63", gguf({little(kHuge)}, {}), ErrorKind::bad_file, "needs 9223372036854775808 bytes"},
    {"KeyWithoutEnd", "GGUF" + little(3u) + little<std::uint64_t>(0) + little<std::uint64_t>(1) + little<std::uint64_t>(0xFFFFFFFFFFFF),
     ErrorKind::bad_file, "claims 0 tensors and 1 pairs"},  // stable-diffusion.cpp #1397
    {"KeyOf2To64", gguf({little(UINT64_MAX)}, {}), ErrorKind::bad_file, "needs 18446744073709551615 bytes"},
    {"KeyTooLong", gguf({text(std::string(70'000, 'k')) + little(4u) + little(1u)}, {}), ErrorKind::bad_file,
     "has 70000 bytes, expected at most 65535"},
    {"TextOf2To63", gguf({pair("k", 8, little(kHuge))}, {}), ErrorKind::bad_file, "needs 9223372036854775808"},
    {"UnknownValue", gguf({pair("k", 13, "")}, {}), ErrorKind::bad_file, "type 13, which does not exist"},
    {"KeyTwice", gguf({pair("k", 8, text("a")), pair("k", 8, text("b"))}, {}), ErrorKind::bad_file, "\"k\" stands twice"},
    {"KeyTwiceOfOtherTypes", gguf({pair("k", 4, little(1u)), pair("k", 9, array(4, 0, ""))}, {}), ErrorKind::bad_file, "\"k\" stands twice"},
    {"AlignmentTwice", gguf({pair("general.alignment", 4, little(32u)), pair("general.alignment", 4, little(64u))}, {kHonest}), ErrorKind::bad_file,
     "\"general.alignment\" stands twice"},
    {"BoolOfTwo", gguf({pair("k", 7, "\2")}, {}), ErrorKind::bad_file, "bool \"k\" is 2, expected 0 or 1"},
    {"Bool", gguf({pair("k", 7, "\1")}, {kHonest}), ErrorKind::internal, nullptr},
    {"LongText", gguf({pair("k", 8, text(std::string(70'000, 'x')))}, {kHonest}), ErrorKind::internal, nullptr},
    {"LongTextOfOurs", gguf({pair("impasto.vae", 8, text(std::string(70'000, 'x')))}, {kHonest}), ErrorKind::bad_file,
     "metadata impasto.vae has 70000 bytes, expected at most 65536"},
    {"TooManyTensors", [] { return "GGUF" + little(3u) + little<std::uint64_t>(100'001) + little<std::uint64_t>(0) + std::string(4'000'000, '\0'); },
     ErrorKind::bad_file, "claims 100001 tensors and 0 pairs of key and value, expected at most 100000 of each"},
    {"TooManyPairs", [] { return "GGUF" + little(3u) + little<std::uint64_t>(0) + little<std::uint64_t>(100'001) + std::string(4'000'000, '\0'); },
     ErrorKind::bad_file, "100001 pairs of key and value, expected at most 100000"},
    {"TooManyNames", [] { return gguf({}, many_long_names()); }, ErrorKind::bad_file, "names and texts of its header take more than 8388608"},
    {"ArrayOf2To63", gguf({pair("k", 9, array(0, kHuge, ""))}, {}), ErrorKind::bad_file, "needs 9223372036854775808"},
    {"ArrayThatOverflows", gguf({pair("k", 9, array(10, kHuge, ""))}, {}), ErrorKind::bad_file, "claims 9223372036854775808 entries"},
    {"ArrayOfManyTexts", gguf({pair("k", 9, array(8, kHuge, ""))}, {}), ErrorKind::bad_file, "more than the file can hold"},
    {"ArrayOfUnknown", gguf({pair("k", 9, array(99, 1, ""))}, {}), ErrorKind::bad_file, "type 99"},
    {"DeepArray", gguf({pair("k", 9, deep_array())}, {}), ErrorKind::bad_file, "nested deeper than 4"},
    {"NestedArray", gguf({pair("k", 9, array(9, 1, array(4, 2, little(1u) + little(2u))))}, {kHonest}), ErrorKind::internal, nullptr},
    {"AlignmentZero", gguf({pair("general.alignment", 4, little(0u))}, {kHonest}), ErrorKind::bad_file, "alignment is 0"},
    {"AlignmentOdd", gguf({pair("general.alignment", 4, little(24u))}, {kHonest}), ErrorKind::bad_file, "alignment is 24"},
    {"AlignmentHuge", gguf({pair("general.alignment", 4, little(0x80000000u))}, {kHonest}), ErrorKind::bad_file, "ends before its tensors begin"},
    {"AlignmentText", gguf({pair("general.alignment", 8, text("32"))}, {kHonest}), ErrorKind::bad_file, "general.alignment has type 8, expected 4"},
    {"AlignmentWide", gguf({pair("general.alignment", 10, little<std::uint64_t>(32))}, {kHonest}), ErrorKind::bad_file, "alignment has type 10"},
    {"NoDimensions", gguf({}, {tensor_record("a", {}, 0, 0)}), ErrorKind::bad_file, "has 0 dimensions"},
    {"FiveDimensions", gguf({}, {tensor_record("a", {1, 1, 1, 1, 1}, 0, 0)}), ErrorKind::bad_file, "has 5 dimensions"},
    {"ZeroDimension", gguf({}, {tensor_record("a", {32, 0}, 0, 0)}), ErrorKind::bad_file, "dimension of 0"},
    {"ZeroFirstDimension", gguf({}, {tensor_record("a", {0}, 8, 0)}), ErrorKind::bad_file, "dimension of 0"},
    {"DimensionOf2To63", gguf({}, {tensor_record("a", {kHuge}, 0, 0)}), ErrorKind::bad_file, "dimension of 9223372036854775808"},
    {"ElementsOverflow", gguf({}, {tensor_record("a", {1ull << 32, 1ull << 32}, 0, 0)}), ErrorKind::bad_file, "more elements"},
    {"BytesOverflow", gguf({}, {tensor_record("a", {1ull << 61, 2}, 0, 0)}), ErrorKind::bad_file, "more elements"},
    {"BlocksThatDoNotFit", gguf({}, {tensor_record("a", {33}, 8, 0)}), ErrorKind::bad_file, "rows of 33 elements, but Q8_0 has blocks of 32"},
    {"LargeBlocksThatDoNotFit", gguf({}, {tensor_record("a", {32, 8}, 12, 0)}), ErrorKind::bad_file,
     "rows of 32 elements, but Q4_K has blocks of 256"},
    {"OffsetOf2To63", gguf({}, {tensor_record("a", {32}, 0, kHuge)}), ErrorKind::bad_file, "beyond the end"},
    {"OffsetThatWraps", gguf({}, {tensor_record("a", {32}, 0, UINT64_MAX - 31)}), ErrorKind::bad_file, "beyond the end"},
    {"OffsetNotAligned", gguf({}, {tensor_record("a", {32}, 0, 4)}), ErrorKind::bad_file, "no multiple of 32"},
    {"EndsBeyond", gguf({}, {tensor_record("a", {1024, 2}, 0, 0)}), ErrorKind::bad_file, "beyond the end"},
    {"Overlap", gguf({}, {kHonest, tensor_record("b", {32}, 0, 128)}), ErrorKind::bad_file, "overlap"},
    {"NameTwice", gguf({}, {kHonest, tensor_record("a", {32}, 0, 1024)}), ErrorKind::bad_file, "\"a\" stands twice"},
    {"TypeThatIsNotKnown", gguf({}, {tensor_record("a", {32}, 99, 0)}), ErrorKind::internal, nullptr},
    {"OriginalShapeOfAnotherSize", gguf({pair("comfy.gguf.orig_shape.a", 9, array(5, 2, little(5) + little(5)))}, {kHonest}), ErrorKind::bad_file,
     "original shape another number"},
    {"OriginalShapeNegative", gguf({pair("comfy.gguf.orig_shape.a", 9, array(5, 2, little(-8) + little(-8)))}, {kHonest}), ErrorKind::bad_file,
     "original shape"},
    {"OriginalShape", gguf({pair("comfy.gguf.orig_shape.a", 9, array(5, 2, little(8) + little(8)))}, {kHonest}), ErrorKind::internal, nullptr},
};

class HostileGguf : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileGguf, IsRefusedWithAReason) {
  const Hostile& hostile = GetParam();
  const test::TemporaryFolder folder;
  const std::string path = folder.write("w.gguf", hostile.bytes());
  if (hostile.message == nullptr) {
    EXPECT_NO_THROW(copied_weights(*open_weights_file(path)));
    return;
  }
  EXPECT_TRUE(test::throws_error([&] { open_weights_file(path); }, hostile.kind, {"w.gguf", hostile.message}));
}

INSTANTIATE_TEST_SUITE_P(Table, HostileGguf, ::testing::ValuesIn(kHostile), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace impasto
