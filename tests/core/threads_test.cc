#include "core/threads.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "core/flush_denormals.h"

namespace impasto {
namespace {

class Threads : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(0); }
};

TEST_P(Threads, ParallelForCoversTheRangeOnceInMultiplesOfTheGrain) {
  for (std::int64_t n : {0, 1, 2, 7, 64, 1000, 4097}) {
    for (std::int64_t grain : {0, 1, 3, 64, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
      parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
        EXPECT_LT(begin, end);
        const std::int64_t step = grain > 0 ? grain : 1;
        EXPECT_EQ(begin % step, 0);
        EXPECT_TRUE(end == n || end % step == 0) << end;
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& v : visits) ASSERT_EQ(v, 1) << n << " " << grain;
    }
  }
}

TEST_P(Threads, ParallelRunCallsEachThreadOnce) {
  std::mutex mutex;
  std::multiset<int> seen;
  parallel_run([&](int thread, int threads) {
    const std::lock_guard lock(mutex);
    seen.insert(thread);
    EXPECT_EQ(threads, GetParam());
  });
  std::multiset<int> expected;
  for (int t = 0; t < GetParam(); ++t) expected.insert(t);
  EXPECT_EQ(seen, expected);
}

TEST_P(Threads, AnExceptionOfABodyIsRethrownAndThePoolGoesOn) {
  EXPECT_THROW(parallel_for(100, 1,
                            [](std::int64_t begin, std::int64_t) {
                              if (begin <= 50) throw std::runtime_error("a body");
                            }),
               std::runtime_error);
  EXPECT_THROW(parallel_run([](int thread, int threads) {
                 if (thread == threads - 1) throw std::logic_error("another");
               }),
               std::logic_error);
  std::atomic<std::int64_t> sum{0};
  parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 100);
}

TEST_P(Threads, NestedCallsRunOnTheThreadThatMakesThem) {
  parallel_run([](int, int) {
    const auto outer = std::this_thread::get_id();
    parallel_run([&](int thread, int threads) {
      EXPECT_EQ(thread, 0);
      EXPECT_EQ(threads, 1);
    });
    parallel_for(1000, 1, [&](std::int64_t, std::int64_t) { EXPECT_EQ(std::this_thread::get_id(), outer); });
  });
}

TEST_P(Threads, SeveralCallersAtOnceEachGetTheirOwnResult) {
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c) {
    callers.emplace_back([] {
      for (int i = 0; i < 20; ++i) {
        std::atomic<std::int64_t> sum{0};
        parallel_for(1000, 10, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
        EXPECT_EQ(sum, 1000);
      }
    });
  }
  for (auto& c : callers) c.join();
}

#if !defined(__SANITIZE_THREAD__)  // which refuses to start threads after a fork
TEST(Threads, AForkedChildGetsWorkersOfItsOwn) {
  set_num_threads(2);
  const auto sum_in_parallel = [] {
    std::atomic<std::int64_t> sum{0};
    parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    return sum.load();
  };
  EXPECT_EQ(sum_in_parallel(), 1000);  // the parent's workers exist now
  const pid_t child = ::fork();
  if (child == 0) ::_exit(sum_in_parallel() == 1000 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  set_num_threads(0);
}
#endif

float halved(float x) {
  volatile float v = x;
  v = v * 0.5f;
  return v;
}

#if defined(__SSE__) || defined(__aarch64__)
TEST_P(Threads, BodiesFlushSubnormalNumbersAndCallersDoNot) {
  constexpr float kSmallest = std::numeric_limits<float>::min();
  ASSERT_GT(halved(kSmallest), 0.0f);
  parallel_run([](int, int) { EXPECT_EQ(halved(kSmallest), 0.0f); });
  parallel_for(1, 1, [](std::int64_t, std::int64_t) { EXPECT_EQ(halved(kSmallest), 0.0f); });
  parallel_for(100, 1, [](std::int64_t, std::int64_t) { EXPECT_EQ(halved(kSmallest), 0.0f); });
  EXPECT_THROW(parallel_for(1, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("a body"); }), std::runtime_error);
  EXPECT_GT(halved(kSmallest), 0.0f);
  const FlushDenormals flush;
  EXPECT_EQ(halved(kSmallest), 0.0f);
}
#endif

INSTANTIATE_TEST_SUITE_P(Counts, Threads, ::testing::Values(1, 2, 3, 8), ::testing::PrintToStringParamName());

TEST(NumThreads, IsOnePerCoreUnlessSet) {
  set_num_threads(0);
  const int cores = num_threads();
  EXPECT_GE(cores, 1);
  set_num_threads(5);
  EXPECT_EQ(num_threads(), 5);
  set_num_threads(-3);
  EXPECT_EQ(num_threads(), cores);
}

}  // namespace
}  // namespace impasto
