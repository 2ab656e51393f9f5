#include "core/cancellation.h"

#include <thread>

#include "support/expect_error.h"

namespace impasto {
namespace {

const std::function<bool()> kStop = [] { return true; }, kGoOn = [] { return false; }, kNobody;

TEST(Cancellation, OnlyTheInnermostScopeOfThisThreadIsAsked) {
  EXPECT_NO_THROW(stop_if_asked()) << "no scope";
  {
    const CancellationScope outer(kStop);
    EXPECT_ERROR(stop_if_asked(), cancelled, "cancelled");
    for (const auto* inner_answer : {&kGoOn, &kNobody}) {
      const CancellationScope inner(*inner_answer);
      EXPECT_NO_THROW(stop_if_asked());
    }
    EXPECT_ERROR(stop_if_asked(), cancelled, "cancelled") << "the outer one counts again";
    std::thread([] { EXPECT_NO_THROW(stop_if_asked()); }).join();
  }
  EXPECT_NO_THROW(stop_if_asked());
}

}  // namespace
}  // namespace impasto
