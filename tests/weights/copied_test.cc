#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include <unistd.h>

#include "core/cancellation.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_safetensors.h"
#include "weights/reader.h"

namespace impasto {
namespace {

using test::make_safetensors;
using test::record;

/// Tensors of 0, 1, 2, ... elements, of all dtypes, none of them aligned in the file.
std::string sample_file() {
  constexpr std::pair<const char*, std::size_t> kTypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8}, {"I32", 4}, {"U8", 1}};
  std::string header = "{" + record("byte", "U8", "[1]", 0, 1);
  std::size_t end = 1;
  for (int i = 0; i < 50; ++i) {
    const auto& [dtype, size] = kTypes[i % std::size(kTypes)];
    const std::size_t begin = end;
    end += static_cast<std::size_t>(i) * size;
    header += "," + record("t" + std::to_string(i), dtype, "[" + std::to_string(i) + "]", begin, end);
  }
  std::string data;
  for (std::size_t i = 0; i < end; ++i) data += static_cast<char>(i * 7);
  return make_safetensors(header + "}", data);
}

class CopiedWeights : public ::testing::Test {
 protected:
  std::shared_ptr<const WeightReader> open(const std::string& content) { return open_safetensors(folder_.write("w.safetensors", content)); }
  test::TemporaryFolder folder_;
};

TEST_F(CopiedWeights, AreTheFilesTensorsAligned) {
  const auto source = open(sample_file());
  const auto copy = copied_weights(*source);
  EXPECT_EQ(copy->where(), source->where());
  ASSERT_EQ(copy->names(), source->names());
  for (const std::string& name : source->names()) {
    const TensorView a = source->find(name), b = copy->find(name);
    ASSERT_TRUE(b) << name;
    EXPECT_EQ(b.dtype, a.dtype);
    EXPECT_EQ(b.shape, a.shape);
    EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes()), 0) << name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data) % 64, 0u) << name;
  }
  EXPECT_FALSE(copy->find("t50"));
}

TEST_F(CopiedWeights, LargeTensorsAreCopiedInPieces) {
  constexpr std::size_t kHalf = (6 << 20) + 5;  // a piece, and a rest
  const std::string first(kHalf, '1'), second(kHalf, '2');
  const auto source = open(make_safetensors("{" + record("a", "U8", "[2," + std::to_string(kHalf) + "]", 0, 2 * kHalf) + "}", first + second));
  EXPECT_TRUE(source->is_contiguous("a"));
  EXPECT_FALSE(source->is_contiguous("b"));
  EXPECT_EQ(std::string_view(copied_weights(*source)->find("a").as<char>(), 2 * kHalf) == first + second, true);
  const auto halves = renamed_weights(source, {{"first", {"a", 0, 2}}, {"second", {"a", 1, 2}}});
  EXPECT_TRUE(halves->is_contiguous("second"));
  const auto copy = copied_weights(*halves);
  EXPECT_EQ(std::string_view(copy->find("first").as<char>(), kHalf) == first, true);
  EXPECT_EQ(std::string_view(copy->find("second").as<char>(), kHalf) == second, true);
}

TEST_F(CopiedWeights, StayWhateverHappensToTheFile) {
  const auto source = open(make_safetensors("{" + record("a", "U8", "[9000]", 0, 9000) + "}", std::string(9000, 'a')));
  const auto copy = copied_weights(*source);
  ASSERT_EQ(::truncate(source->where().c_str(), 10), 0);
  EXPECT_NO_THROW(copy->check_unchanged());
  EXPECT_EQ(std::string(copy->find("a").as<char>(), 9000), std::string(9000, 'a'));
}

TEST_F(CopiedWeights, AFileWithoutTensorsIsCopiedToo) { EXPECT_TRUE(copied_weights(*open(make_safetensors("{}", "")))->names().empty()); }

TEST_F(CopiedWeights, AreWholeOrRefusedWhenTheFileIsCutAtAnyMoment) {
  constexpr std::size_t kBytes = 1 << 16, kTensors = 32;
  std::string header = "{";
  for (std::size_t i = 0; i < kTensors; ++i)
    header += (i != 0 ? "," : "") + record("t" + std::to_string(i), "U8", "[65536]", i * kBytes, (i + 1) * kBytes);
  const std::string file = make_safetensors(header + "}", std::string(kTensors * kBytes, 'a'));
  std::mt19937 random(7);
  for (int moment = 0; moment < 50; ++moment) {
    const auto source = open(file);
    std::atomic<bool> cut = false;
    std::thread cutter([&, turns = random() % 20000, at = random() % file.size()] {
      for (std::atomic<unsigned> i = 0; i < turns; ++i) continue;
      ASSERT_EQ(::truncate(source->where().c_str(), static_cast<off_t>(at)), 0);
      cut = true;
    });
    try {
      for (bool last = false; !last;) {
        last = cut;
        const auto copy = copied_weights(*source);
        ASSERT_FALSE(last) << "the cut went by unseen";
        for (std::size_t i = 0; i < kTensors; ++i)
          ASSERT_EQ(std::string(copy->find("t" + std::to_string(i)).as<char>(), kBytes), std::string(kBytes, 'a'));
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_file) << error.what();
    }
    cutter.join();
  }
}

TEST_F(CopiedWeights, CopyingStopsWhenAsked) {
  const auto source = open(sample_file());
  const std::function<bool()> stop = [] { return true; };
  const CancellationScope scope(stop);
  EXPECT_ERROR(copied_weights(*source), cancelled, "cancelled");
}

}  // namespace
}  // namespace impasto
