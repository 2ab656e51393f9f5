// Choices of kernels that are kept between processes: the file, and those who write it at once. What is chosen needs a GPU.
#include "backend/cuda/plan_cache.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/environment.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

const std::string kIdentity = "NVIDIA H100 80GB HBM3, sm_90, cuDNN 91900";

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

TEST(PlanCache, TextHoldsNoLines) {
  EXPECT_EQ(plan_text("a\tb\nc\rd\x7F"), "a b c d ");
  EXPECT_EQ(plan_text(std::string(100000, 'x')).size(), 400u);
  EXPECT_EQ(plan_text(""), "");
}

TEST(PlanCache, FormatComesBack) {
  const Plans plans{{"convolution float16 2 64 64", {3, "eng17_k2=1"}}, {"product float16, x", {0, "algorithm 66 1"}}};
  EXPECT_EQ(parse_plans(format_plans(kIdentity, plans), kIdentity), plans);
  EXPECT_EQ(parse_plans(format_plans("", {}), ""), Plans{});
  EXPECT_EQ(parse_plans(format_plans(kIdentity, plans), "another GPU"), Plans{});
  const std::string odd = "with\ttab\nand line";
  EXPECT_EQ(parse_plans(format_plans(odd, plans), odd), plans);
}

TEST(PlanCache, LinesThatMakeNoSenseAreLeftOut) {
  const std::string good = "good\t7\tname\n", first = format_plans(kIdentity, {});
  const Plans expected{{"good", {7, "name"}}};
  for (const std::string line : {"\n", "\t\t\n", "key\n", "key\t1\n", "key\t1\t\n", "\t1\tname\n", "key\t-1\tname\n", "key\t10000\tname\n",
                                 "key\t99999999999999999999\tname\n", "key\t1x\tname\n", "key\t 1\tname\n", "key\t\tname\n", "key\t1\tname\tmore\n",
                                 "key\r\t1\tname\n", "key\t1\tname\r\n", "\x01\t1\tname\n"}) {
    EXPECT_EQ(parse_plans(first + line + good, kIdentity), expected) << line;
    EXPECT_EQ(parse_plans(first + good + line, kIdentity), expected) << line;
  }
  EXPECT_EQ(parse_plans(first + good + std::string("a\0b\t1\tname\n", 11), kIdentity), expected);
  EXPECT_EQ(parse_plans(first + good + std::string(401, 'k') + "\t1\tname\n", kIdentity), expected);
  EXPECT_EQ(parse_plans(first + good + "key\t1\t" + std::string(401, 'n') + '\n', kIdentity), expected);
  EXPECT_EQ(parse_plans(first + good + "cut off\t1\tname", kIdentity), expected);
  EXPECT_EQ(parse_plans(good, kIdentity), Plans{});
  EXPECT_EQ(parse_plans("", kIdentity), Plans{});
  EXPECT_EQ(parse_plans(first.substr(0, first.size() - 1), kIdentity), Plans{});
}

TEST(PlanCache, HoldsOnlySoMuch) {
  std::string content = format_plans(kIdentity, {});
  for (int i = 0; i < 20000; ++i) content += std::to_string(i) + "\t1\tname\n";
  EXPECT_EQ(parse_plans(content, kIdentity).size(), 8192u);
  content += std::string(std::size_t{8} << 20, '\n');
  EXPECT_EQ(parse_plans(content, kIdentity), Plans{});
}

TEST(PlanCache, IsThereForTheNext) {
  const test::TemporaryFolder here;
  const std::string folder = here / "new/folders";
  std::string path;
  {
    PlanCache cache(folder, kIdentity);
    path = cache.path();
    EXPECT_EQ(cache.find("key"), std::nullopt);
    EXPECT_TRUE(cache.write(0ms));
    EXPECT_FALSE(fs::exists(folder));
    cache.put("key", 3, "na\nme");
    EXPECT_EQ(cache.find("key"), (PlanChoice{3, "na me"}));
  }
  EXPECT_EQ(path, folder + "/NVIDIA-H100-80GB-HBM3-sm_90-cuDNN-91900.txt");
  EXPECT_EQ(content_of(path), "impasto plans 1\t" + kIdentity + "\nkey\t3\tna me\n");
  const PlanCache next(folder, kIdentity), other(folder, "another GPU");
  EXPECT_EQ(next.find("key"), (PlanChoice{3, "na me"}));
  EXPECT_EQ(other.find("key"), std::nullopt);
}

TEST(PlanCache, RefusesWhatTheFileCouldNotHold) {
  const test::TemporaryFolder here;
  PlanCache cache(here.path(), kIdentity);
  cache.put("two\nlines", 1, "name");
  cache.put(std::string(401, 'k'), 1, "name");
  cache.put("", 1, "name");
  cache.put("key", -1, "name");
  cache.put("key", 10000, "name");
  cache.put("key", 1, "");
  EXPECT_EQ(cache.find("key"), std::nullopt);
  EXPECT_TRUE(cache.write(0ms));
  EXPECT_EQ(here.names(), std::vector<std::string>{});
}

TEST(PlanCache, WritesNowAndThen) {
  const test::TemporaryFolder here;
  PlanCache cache(here.path(), kIdentity);
  cache.write_if_due();
  EXPECT_FALSE(fs::exists(cache.path()));
  cache.put("a", 1, "name");
  cache.write_if_due();
  const std::string once = content_of(cache.path());
  EXPECT_NE(once.find("a\t1\t"), once.npos);
  cache.put("b", 2, "name");
  cache.write_if_due();
  EXPECT_EQ(content_of(cache.path()), once);
  std::this_thread::sleep_for(1100ms);
  cache.write_if_due();
  EXPECT_EQ(parse_plans(content_of(cache.path()), kIdentity), (Plans{{"a", {1, "name"}}, {"b", {2, "name"}}}));
}

TEST(PlanCache, MergesWithWhatOthersWrote) {
  const test::TemporaryFolder here;
  PlanCache first(here.path(), kIdentity), second(here.path(), kIdentity);
  first.put("first", 1, "name");
  first.put("both", 1, "name");
  EXPECT_TRUE(first.write(1s));
  second.put("second", 2, "name");
  second.put("both", 2, "name");
  EXPECT_TRUE(second.write(1s));
  const Plans all{{"first", {1, "name"}}, {"second", {2, "name"}}, {"both", {2, "name"}}};
  EXPECT_EQ(parse_plans(content_of(first.path()), kIdentity), all);
  first.put("third", 3, "name");
  EXPECT_TRUE(first.write(1s));
  EXPECT_EQ(parse_plans(content_of(first.path()), kIdentity).at("both").index, 2) << "what is in the file already is not written again";
}

TEST(PlanCache, ManyWritersLoseNothing) {
  constexpr int kProcesses = 4, kThreads = 2, kPlans = 8;
  const test::TemporaryFolder here;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    if (child == 0) {
      PlanCache cache(here.path(), kIdentity);
      const auto work = [&](int thread) {
        for (int i = 0; i < kPlans; ++i) {
          cache.put(std::to_string(process) + " " + std::to_string(thread) + " " + std::to_string(i), i, "name");
          cache.write(5ms);
        }
      };
      std::thread other(work, 1);
      work(0);
      other.join();
      ::_exit(cache.write(30s) ? 0 : 1);
    }
    children.push_back(child);
  }
  const PlanCache probe(here.path(), kIdentity);
  std::size_t seen = 0;
  for (int i = 0; i < 20; ++i) {  // whole at any moment, and never less
    const std::string content = content_of(probe.path());
    const std::size_t now = parse_plans(content, kIdentity).size();
    EXPECT_TRUE(content.empty() || content.back() == '\n');
    EXPECT_GE(now, seen);
    seen = now;
    std::this_thread::sleep_for(2ms);
  }
  for (const pid_t child : children) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(parse_plans(content_of(probe.path()), kIdentity).size(), std::size_t{kProcesses * kThreads * kPlans});
  EXPECT_EQ(here.names().size(), 1u);
}

TEST(PlanCache, IsWrittenAtTheProcessEnd) {
  const test::TemporaryFolder here;
  const pid_t child = ::fork();
  if (child == 0) {
    static PlanCache& immortal = *new PlanCache(here.path(), kIdentity);
    immortal.put("key", 1, "name");
    std::exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(PlanCache(here.path(), kIdentity).find("key"), (PlanChoice{1, "name"}));
}

TEST(PlanCache, ReplacesAFileItCannotUse) {
  const test::TemporaryFolder here;
  std::string path = PlanCache(here.path(), kIdentity).path();
  for (const std::string& content :
       {std::string("garbage\0\xFF", 9), std::string(std::size_t{8} << 20, 'x'), std::string("impasto plans 0\tx\nkey\t1\tname\n")}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    PlanCache cache(here.path(), kIdentity);
    EXPECT_EQ(cache.find("key"), std::nullopt);
    cache.put("key", 1, "name");
    EXPECT_TRUE(cache.write(1s));
    EXPECT_EQ(parse_plans(content_of(path), kIdentity), (Plans{{"key", {1, "name"}}}));
  }
}

TEST(PlanCache, WorksWithoutAPlaceToWrite) {
  const test::TemporaryFolder here;
  const std::string file = here.write("file", "x");
  for (const std::string& folder : {file, file + "/below", std::string("/proc/none"), std::string("")}) {
    PlanCache cache(folder, kIdentity);
    cache.put("key", 1, "name");
    for (int i = 0; i < 5; ++i) cache.write_if_due();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(cache.write(0ms), folder.empty());
    EXPECT_EQ(cache.find("key"), folder.empty() ? std::nullopt : std::optional(PlanChoice{1, "name"}));
  }
  EXPECT_EQ(content_of(file), "x");
  fs::permissions(here.path(), fs::perms::owner_read | fs::perms::owner_exec);
  PlanCache cache(here.path(), kIdentity);
  cache.put("key", 1, "name");
  EXPECT_EQ(cache.write(0ms), ::access(here.path().c_str(), W_OK) == 0);  // root may
}

TEST(PlanCache, WaitsForNoPipe) {
  const test::TemporaryFolder here;
  const std::string path = PlanCache(here.path(), kIdentity).path();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  PlanCache cache(here.path(), kIdentity);
  cache.put("key", 1, "name");
  EXPECT_FALSE(cache.write(0ms));
}

TEST(PlanCache, EnvironmentNamesTheFolder) {
  test::Variables v{{"IMPASTO_CUDA_TUNE", nullptr}, {"IMPASTO_CUDA_PLANS", nullptr}, {"XDG_CACHE_HOME", nullptr}, {"HOME", "/home/me"}};
  EXPECT_EQ(plan_folder(), "/home/me/.cache/impasto/plans");
  v.set("XDG_CACHE_HOME", "/caches");
  EXPECT_EQ(plan_folder(), "/caches/impasto/plans");
  v.set("XDG_CACHE_HOME", "caches");
  EXPECT_EQ(plan_folder(), "/home/me/.cache/impasto/plans");
  v.set("IMPASTO_CUDA_PLANS", "some/where");
  EXPECT_EQ(plan_folder(), "some/where");
  v.set("IMPASTO_CUDA_TUNE", "0");
  EXPECT_EQ(plan_folder(), "");
  v.set("IMPASTO_CUDA_TUNE", "1");
  v.set("IMPASTO_CUDA_PLANS", "0");
  EXPECT_EQ(plan_folder(), "");
  v.set("IMPASTO_CUDA_PLANS", "");
  EXPECT_EQ(plan_folder(), "");
  v.set("IMPASTO_CUDA_PLANS", nullptr);
  v.set("HOME", nullptr);
  EXPECT_EQ(plan_folder(), "");
}

}  // namespace
}  // namespace impasto
