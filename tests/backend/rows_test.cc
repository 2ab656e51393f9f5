// Rows that the host chose: matched, averaged and spread, against the plain loops of the reference backend.
#include <numeric>

#include "backend/backend_test.h"

namespace impasto {
namespace {

using test::largest_difference;
using test::same_bits;
using test::values;
using test::view;

struct Matched {
  std::vector<std::int32_t> matches;
  std::vector<float> cosines;
};

class RowsTest : public test::BackendTest {
 protected:
  Matched match(Backend& backend, std::vector<float>& x, const Shape& shape, const std::vector<std::int32_t>& sources,
                const std::vector<std::int32_t>& targets) {
    Matched m{std::vector<std::int32_t>(static_cast<std::size_t>(shape[0]) * sources.size()),
              std::vector<float>(static_cast<std::size_t>(shape[0]) * sources.size())};
    backend.match_rows(view(x, shape), sources, targets, m.matches, m.cosines);
    return m;
  }

  /// Every third row is a target.
  static void split(std::int64_t rows, std::vector<std::int32_t>& sources, std::vector<std::int32_t>& targets) {
    for (std::int32_t r = 0; r < rows; ++r) (r % 3 == 1 ? targets : sources).push_back(r);
  }
};

TEST_F(RowsTest, MatchesEqualThePlainLoop) {
  for (const Shape& shape : {Shape{1, 7, 5}, Shape{2, 60, 32}, Shape{1, 200, 64}, Shape{2, 1700, 9}}) {  // the last: more than one block of sources
    std::vector<float> x = values(shape.count(), 7);
    std::vector<std::int32_t> sources, targets;
    split(shape[1], sources, targets);
    const Matched expected = match(*reference, x, shape, sources, targets);
    for_each_isa([&] {
      const Matched got = match(cpu, x, shape, sources, targets);
      // A cosine is a sum of c products of unit vectors, each rounded twice: 3 c eps at worst. So much may one target be nearer than another.
      const float tolerance = 3 * static_cast<float>(shape[2]) * 0x1p-24f;
      EXPECT_LE(largest_difference(got.cosines, expected.cosines), tolerance) << shape.to_string();
      std::size_t others = 0;
      for (std::size_t i = 0; i < got.matches.size(); ++i) others += got.matches[i] != expected.matches[i];
      EXPECT_LE(others, got.matches.size() / 500) << shape.to_string();
    });
  }
}

TEST_F(RowsTest, MatchesDoNotDependOnLengthAndTakeTheFirstOfEquals) {
  std::vector<float> x = {0, 3, 0, 5, 2, 0, 0, 0, -1, 0};  // rows of 2: up, up, right, nothing, left
  for (Backend* backend : {static_cast<Backend*>(&cpu), reference.get()}) {
    const Matched m = match(*backend, x, {1, 5, 2}, {0, 3, 4}, {1, 2, 1});
    EXPECT_EQ(m.matches, (std::vector<std::int32_t>{0, 0, 0}));
    EXPECT_FLOAT_EQ(m.cosines[0], 1);
    EXPECT_EQ(m.cosines[1], 0);
    EXPECT_EQ(m.cosines[2], 0);
  }
}

TEST_F(RowsTest, MeansAndTheirWayBackEqualThePlainLoop) {
  const Shape whole{2, 90, 17}, fewer{2, 31, 17};
  std::vector<float> x = values(whole.count(), 1), residual = values(whole.count(), 2);
  std::vector<std::int32_t> slots(180);
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<std::int32_t>(i * i % 29 + i / 90) % 31;
  for (std::size_t image : {0u, 90u})
    std::iota(slots.begin() + static_cast<std::ptrdiff_t>(image), slots.begin() + static_cast<std::ptrdiff_t>(image) + 31, 0);
  const auto run = [&](Backend& backend) {
    std::vector<float> means(static_cast<std::size_t>(fewer.count())), back(x.size());
    backend.mean_rows(view(x, whole), slots, view(means, fewer));
    backend.spread_rows(view(means, fewer), slots, view(residual, whole), view(back, whole));
    means.insert(means.end(), back.begin(), back.end());
    return means;
  };
  EXPECT_LT(largest_difference(run(cpu), run(*reference)), 1e-5f);  // values below 7, sums of at most 60 of them: 60 * 7 * 60 * eps / 60 at worst
}

TEST_F(RowsTest, ThreadsAndBatchChangeNoBit) {
  const Shape two{2, 300, 40}, one{1, 300, 40};
  std::vector<float> x = values(two.count(), 3), second(x.begin() + one.count(), x.end());
  std::vector<std::int32_t> sources, targets;
  split(300, sources, targets);
  set_num_threads(1);
  const Matched alone = match(cpu, second, one, sources, targets);
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    const Matched both = match(cpu, x, two, sources, targets);
    EXPECT_TRUE(same_bits({both.cosines.begin() + static_cast<std::ptrdiff_t>(sources.size()), both.cosines.end()}, alone.cosines));
    EXPECT_TRUE(std::equal(alone.matches.begin(), alone.matches.end(), both.matches.begin() + static_cast<std::ptrdiff_t>(sources.size())));
  }
}

}  // namespace
}  // namespace impasto
