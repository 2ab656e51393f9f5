#include "core/memory.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <sys/resource.h>

#include "support/temporary_folder.h"

namespace impasto {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// A machine of files: /proc and /sys as the test writes them.
class Machine {
 public:
  void write(const std::string& path, const std::string& text) const { folder_.write(path, text); }
  std::int64_t available() const { return available_memory_under(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

TEST(AvailableMemory, IsWhatTheKernelSaysWithoutGroups) {
  const Machine m;
  m.write("proc/meminfo", "MemTotal:       1000 kB\nMemFree:  100 kB\nMemAvailable:    2048 kB\nBuffers: 3 kB\n");
  EXPECT_EQ(m.available(), 2 * kMiB);
}

TEST(AvailableMemory, IsWhatAGroupOfVersion2Leaves) {
  const Machine m;
  m.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  m.write("proc/self/cgroup", "0::/user.slice/job\n");
  m.write("sys/fs/cgroup/user.slice/job/memory.max", "max\n");
  EXPECT_EQ(m.available(), 1024 * kMiB);
  m.write("sys/fs/cgroup/user.slice/job/memory.max", std::to_string(100 * kMiB));
  m.write("sys/fs/cgroup/user.slice/job/memory.current", std::to_string(60 * kMiB));
  EXPECT_EQ(m.available(), 40 * kMiB);
  m.write("sys/fs/cgroup/user.slice/job/memory.stat", "anon 1\ninactive_file " + std::to_string(25 * kMiB) + "\nactive_file 7\n");
  EXPECT_EQ(m.available(), 65 * kMiB);  // cached files make room
}

TEST(AvailableMemory, ALimitOfAGroupAboveCounts) {
  const Machine m;
  m.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  m.write("proc/self/cgroup", "0::/a/b\n");
  m.write("sys/fs/cgroup/a/b/memory.max", std::to_string(500 * kMiB));
  m.write("sys/fs/cgroup/a/memory.max", std::to_string(30 * kMiB));
  m.write("sys/fs/cgroup/a/memory.current", std::to_string(50 * kMiB));
  EXPECT_EQ(m.available(), 0);  // over its limit: nothing, not less than nothing
}

TEST(AvailableMemory, InAContainerTheMountHoldsTheLimit) {
  const Machine m;
  m.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  m.write("proc/self/cgroup", "0::/docker/0123456789\n");
  m.write("sys/fs/cgroup/memory.max", std::to_string(64 * kMiB));
  m.write("sys/fs/cgroup/memory.current", std::to_string(14 * kMiB));
  EXPECT_EQ(m.available(), 50 * kMiB);
}

TEST(AvailableMemory, IsWhatAGroupOfVersion1Leaves) {
  const Machine m;
  m.write("proc/meminfo", "MemAvailable: 1048576 kB\n");
  m.write("proc/self/cgroup", "11:cpu,cpuacct:/x\n7:memory:/job\n1:name=systemd:/x\n");
  m.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  m.write("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(900 * kMiB));
  EXPECT_EQ(m.available(), 1024 * kMiB);
  m.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", std::to_string(80 * kMiB));
  m.write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", std::to_string(50 * kMiB));
  m.write("sys/fs/cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file " + std::to_string(10 * kMiB) + "\n");
  EXPECT_EQ(m.available(), 40 * kMiB);
}

TEST(AvailableMemory, OddFilesAreNoLimit) {
  const Machine m;
  for (const char* text : {"", "nonsense", "0::", "::", "0:/a", "memory", "\n\n", "0::/\n"}) {
    m.write("proc/self/cgroup", text);
    EXPECT_GT(m.available(), std::int64_t{1} << 60) << text;
  }
}

TEST(AvailableMemory, OfThisProcessIsPlausible) {
  EXPECT_GT(available_memory(), 0);
  EXPECT_LT(available_memory(), std::int64_t{1} << 50);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which map terabytes
TEST(AvailableMemory, AnAddressSpaceLimitCounts) {
  const auto body = [] {
    const rlim_t bytes = rlim_t{1} << 31;
    const rlimit limit{bytes, bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(3);
    const std::int64_t available = available_memory();
    std::_Exit(available > 0 && available < static_cast<std::int64_t>(bytes) ? 0 : 1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(body(), ::testing::ExitedWithCode(0), "");
}
#endif

TEST(PeakResidentMemory, GrowsWithWhatIsTouchedAndDoesNotShrink) {
  const std::int64_t before = peak_resident_memory();
  EXPECT_GT(before, 0);
  {
    std::vector<char> block(static_cast<std::size_t>(before + 32 * kMiB));
    std::memset(block.data(), 1, block.size());
    ASSERT_EQ(block[block.size() / 2], 1);
  }
  EXPECT_GE(peak_resident_memory(), before + 32 * kMiB);
}

}  // namespace
}  // namespace impasto
