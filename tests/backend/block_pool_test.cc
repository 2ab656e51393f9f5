#include "backend/cpu/block_pool.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <sys/resource.h>

#include "impasto/error.h"

namespace impasto {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(BlockPool, BlocksAreAlignedWritableAndApart) {
  BlockPool pool;
  std::vector<std::pair<char*, std::size_t>> blocks;
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{4095}, std::size_t{4096}, std::size_t{4097},
                            kMiB - 1, kMiB, kMiB + 1, 2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 3 * kMiB + 17, 9 * kMiB}) {
    blocks.emplace_back(static_cast<char*>(pool.allocate(bytes)), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().first) % 64, 0u) << bytes;
    std::memset(blocks.back().first, static_cast<int>(blocks.size()), bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    for (std::size_t b = 0; b < bytes; b += 61) ASSERT_EQ(block[b], static_cast<char>(i + 1)) << bytes;
    pool.deallocate(block, bytes);
  }
}

TEST(BlockPool, GivesABlockBackToWhoAsksForItsClass) {
  BlockPool pool;
  for (std::size_t bytes : {std::size_t{100}, kMiB, 5 * kMiB}) {
    void* const first = pool.allocate(bytes);
    const std::size_t calls = pool.system_allocations();
    pool.deallocate(first, bytes);
    EXPECT_EQ(pool.allocate(bytes), first);
    EXPECT_EQ(pool.system_allocations(), calls);
    void* const second = pool.allocate(bytes);
    EXPECT_NE(second, first);
    EXPECT_EQ(pool.system_allocations(), calls + 1);
    pool.deallocate(first, bytes);
    pool.deallocate(second, bytes);
  }
}

TEST(BlockPool, SizesWithinAnEighthShareAClass) {
  BlockPool pool;
  void* const block = pool.allocate(8 * kMiB + 1);
  pool.deallocate(block, 8 * kMiB + 1);
  EXPECT_EQ(pool.allocate(9 * kMiB), block);  // 8 MiB and an eighth of it
  EXPECT_NE(pool.allocate(8 * kMiB), block);
}

TEST(BlockPool, ReleaseReturnsMemoryToTheSystem) {
  BlockPool pool;
  void* const block = pool.allocate(64 * kMiB);
  pool.deallocate(block, 64 * kMiB);
  pool.release();
  const std::size_t calls = pool.system_allocations();
  pool.deallocate(pool.allocate(64 * kMiB), 64 * kMiB);
  EXPECT_EQ(pool.system_allocations(), calls + 1);
}

TEST(BlockPool, TooMuchIsAnErrorThatNamesTheBytes) {
  BlockPool pool;
  for (std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2, std::size_t{1} << 60, std::size_t{1} << 47}) {
    try {
      pool.deallocate(pool.allocate(bytes), bytes);
      ADD_FAILURE() << bytes;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::out_of_memory);
      EXPECT_NE(std::string(e.what()).find(std::to_string(bytes)), std::string::npos) << e.what();
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(BlockPool, GivesUpItsCacheBeforeItFails) {
  // In a process of its own, whose address space may grow by 36 MiB more: a cached 64 must go to make room for a block of 80.
  const auto body = [] {
    BlockPool pool;
    void* const cached = pool.allocate(64 * kMiB);
    pool.deallocate(cached, 64 * kMiB);
    std::size_t pages = 0;
    if (FILE* f = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(f, "%zu", &pages) != 1) pages = 0;
      std::fclose(f);
    }
    const rlimit limit{pages * 4096 + 36 * kMiB, pages * 4096 + 36 * kMiB};
    if (pages == 0 || setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(3);
    pool.deallocate(pool.allocate(80 * kMiB), 80 * kMiB);
    try {
      pool.allocate(200 * kMiB);
    } catch (const Error& e) {
      std::_Exit(e.kind() == ErrorKind::out_of_memory ? 0 : 2);
    }
    std::_Exit(1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(body(), ::testing::ExitedWithCode(0), "");
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
std::int64_t resident_bytes() {
  std::size_t all = 0, resident = 0;
  std::FILE* const f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr || std::fscanf(f, "%zu %zu", &all, &resident) != 2) ADD_FAILURE() << "/proc/self/statm";
  if (f != nullptr) std::fclose(f);
  return static_cast<std::int64_t>(resident) * 4096;
}

TEST(BlockPool, RecycledPagesServeBlocksOfOtherSizes) {
  BlockPool pool;
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) std::memset(blocks.emplace_back(pool.allocate(20 * kMiB)), 1, 20 * kMiB);
  for (void* block : blocks) pool.deallocate(block, 20 * kMiB);
  const std::int64_t before = resident_bytes();
  for (std::size_t mib : {75, 9, 40, 72}) {
    pool.recycle();
    void* const block = pool.allocate(mib * kMiB);
    std::memset(block, 2, mib * kMiB);
    EXPECT_LT(resident_bytes() - before, static_cast<std::int64_t>(12 * kMiB)) << mib << " MiB of 80";
    pool.deallocate(block, mib * kMiB);
  }
  pool.release();
  EXPECT_LT(resident_bytes() - before, -static_cast<std::int64_t>(60 * kMiB)) << "all goes back";
}

#endif

TEST(BlockPool, RecycledBlocksStayApart) {
  BlockPool pools[2];
  struct Block {
    BlockPool* pool;
    unsigned char* data;
    std::size_t bytes;
    unsigned char value;
  };
  std::vector<Block> held;
  unsigned state = 1;
  const auto random = [&](unsigned below) { return ((state = state * 1664525u + 1013904223u) >> 8) % below; };
  for (int turn = 0; turn < 300; ++turn) {
    if (held.size() < 6) {
      Block b{&pools[turn % 2], nullptr, (1 + random(9000)) * 1024, static_cast<unsigned char>(turn)};
      b.data = static_cast<unsigned char*>(b.pool->allocate(b.bytes));
      for (std::size_t i = 0; i < b.bytes; i += 4096) b.data[i] = b.value;
      b.data[b.bytes - 1] = b.value;
      held.push_back(b);
    } else {
      const std::size_t which = random(static_cast<unsigned>(held.size()));
      const Block b = held[which];
      for (std::size_t i = 0; i < b.bytes; i += 4096) ASSERT_EQ(b.data[i], b.value) << turn;
      ASSERT_EQ(b.data[b.bytes - 1], b.value) << turn;
      b.pool->deallocate(b.data, b.bytes);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (turn % 5 == 0) pools[turn % 2].recycle();
    if (turn % 97 == 0) pools[0].release();
  }
  for (const Block& b : held) b.pool->deallocate(b.data, b.bytes);
}

TEST(BlockPool, ServesThreadsAtOnce) {
  BlockPool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t bytes = 64 + i % 7 * 5000;
        char* const block = static_cast<char*>(pool.allocate(bytes));
        std::memset(block, t, bytes);
        EXPECT_EQ(block[bytes - 1], static_cast<char>(t));
        pool.deallocate(block, bytes);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_LE(pool.system_allocations(), 4u * 7u);
}

}  // namespace
}  // namespace impasto
