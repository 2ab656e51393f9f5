#include "ops/replayed.h"

#include <gtest/gtest.h>

#include "backend/profiling_backend.h"
#include "backend/registry.h"
#include "ops/ops.h"

namespace impasto {
namespace {

/// The CPU, as if it recorded: the calls are made again at each replay.
class RecordingCpu final : public ProfilingBackend {
 public:
  RecordingCpu() : ProfilingBackend(backend_for("cpu")) {}
  bool records() const override { return true; }
  std::unique_ptr<Recording> record(const std::function<void()>& calls) override {
    struct Again final : Recording {
      explicit Again(std::function<void()> calls_) : calls(std::move(calls_)) {}
      void replay() override { calls(); }
      std::function<void()> calls;
    };
    if (full) fail(ErrorKind::out_of_memory, "full");
    ++recordings;
    return std::make_unique<Again>(calls);
  }
  int recordings = 0;
  bool full = false;
};

class ReplayedTest : public testing::Test {
 protected:
  Tensor row(std::vector<float> values) { return Tensor::from_host(backend_, {1, static_cast<std::int64_t>(values.size())}, values.data()); }

  /// x + y, counting.
  std::vector<float> sum(const Tensor& x, const Tensor& y, const Tensor& none = {}) {
    return replayed_({x}, {y, none},
                     [this](const Replayed::Tensors& changing, const Replayed::Tensors& lasting) {
                       EXPECT_FALSE(lasting[1]);
                       ++calls_;
                       return ops::add(changing[0], lasting[0]);
                     })
        .to_host();
  }

  RecordingCpu backend_;
  Replayed replayed_;
  int calls_ = 0;
};

TEST_F(ReplayedTest, GivesWhatTheFunctionGivesAtEveryCall) {
  const Tensor y = row({10, 20}), z = row({100, 200});
  EXPECT_EQ(sum(row({1, 2}), y), (std::vector<float>{11, 22}));
  EXPECT_EQ(sum(row({3, 4}), y), (std::vector<float>{13, 24}));
  EXPECT_EQ(sum(row({5, 6}), z), (std::vector<float>{105, 206}));
  EXPECT_EQ(sum(row({7, 8}), z), (std::vector<float>{107, 208}));
  EXPECT_EQ(sum(row({7, 8}), y), (std::vector<float>{17, 28}));
  EXPECT_EQ(backend_.recordings, 1);
}

TEST_F(ReplayedTest, ResultsOfEarlierCallsStay) {
  const Tensor y = row({10, 20});
  const auto f = [](const Replayed::Tensors& changing, const Replayed::Tensors& lasting) { return ops::add(changing[0], lasting[0]); };
  std::vector<Tensor> results;
  for (const float x : {1.0f, 2.0f, 3.0f, 4.0f}) results.push_back(replayed_({row({x, x})}, {y}, f));
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].to_host()[0], 11.0f + static_cast<float>(i));
}

TEST_F(ReplayedTest, RecordsEveryShapeAndKeepsTheLastFew) {
  for (int turn = 0; turn < 3; ++turn)
    for (const std::size_t size : {2u, 3u, 4u, 5u}) {
      const Tensor x = row(std::vector<float>(size, 1));
      EXPECT_EQ(sum(x, x), std::vector<float>(size, 2));
    }
  EXPECT_EQ(backend_.recordings, 4);
  const Tensor x = row(std::vector<float>(6, 1));
  for (int turn = 0; turn < 2; ++turn) sum(x, x);
  const Tensor first = row({1, 1});
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(sum(first, first), (std::vector<float>{2, 2}));
  EXPECT_EQ(backend_.recordings, 6);
}

TEST_F(ReplayedTest, RunsWhereThereIsNoRoomToRecord) {
  backend_.full = true;
  for (int turn = 0; turn < 4; ++turn) {
    const Tensor x = row({1, static_cast<float>(turn)});
    EXPECT_EQ(sum(x, x), (std::vector<float>{2, 2 * static_cast<float>(turn)}));
  }
  EXPECT_EQ(backend_.recordings, 0);
  backend_.full = false;
  const Tensor x = row({1, 1});
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(sum(x, x), (std::vector<float>{2, 2}));
  EXPECT_EQ(backend_.recordings, 1);
}

TEST_F(ReplayedTest, CallsAnewWhereTheBackendDoesNotRecord) {
  Backend& cpu = backend_for("cpu");
  const float one = 1;
  for (int turn = 1; turn <= 4; ++turn) {
    const Tensor x = Tensor::from_host(cpu, {1, 1}, &one);
    EXPECT_EQ(sum(x, x), (std::vector<float>{2}));
    EXPECT_EQ(calls_, turn);
  }
}

}  // namespace
}  // namespace impasto
