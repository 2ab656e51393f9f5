// Every allocation of a download fails once: it succeeds or says that memory is missing, the cache stays sound, and the next download is as good as
// new.
#include <filesystem>

#include <gtest/gtest.h>

#include "hub/hub_server.h"
#include "support/failing_allocations.h"

namespace impasto::test {
namespace {

class OutOfMemoryDownload : public ::testing::Test {
 protected:
  OutOfMemoryDownload() {
    hub_.publish("config.json", "{}", "org/two");
    hub_.publish("diffusion_pytorch_model.safetensors", noise(100'000), "org/two");
  }

  std::string repository() const { return hub_.cache() + "/models--org--two"; }

  void attempt(std::int64_t n, Failure failure) {
    SCOPED_TRACE("allocation " + std::to_string(n) + (failure == Failure::once ? ", once" : ", and all that follow"));
    std::optional<Error> error;
    try {
      const FailingAllocations failing(n, failure);
      hub_.download("org/two");
    } catch (const Error& e) {
      error = e;
    } catch (const std::bad_alloc&) {  // what the door of the library makes of this is the business of tests/core
      error = Error(ErrorKind::out_of_memory, "");
    }
    failed_ += error.has_value();
    if (error) {
      EXPECT_EQ(error->kind(), ErrorKind::out_of_memory) << error->what();
    }
    hub_.download("org/two");
    EXPECT_TRUE(cached_model("org/two"));
    EXPECT_EQ(content_of(find_model("org/two") + "/diffusion_pytorch_model.safetensors").size(), 100'000u);
    std::filesystem::remove_all(hub_.cache());
  }

  HubServer hub_;
  int failed_ = 0;
};

TEST_F(OutOfMemoryDownload, SaysSoAndTheNextIsWhole) {
  hub_.download("org/two");
  std::filesystem::remove_all(hub_.cache());
  std::int64_t all = 0;
  {
    const FailingAllocations counting(0);
    hub_.download("org/two");
    all = counting.count();
  }
  std::filesystem::remove_all(hub_.cache());
  ASSERT_GT(all, 50);
  constexpr std::int64_t kSpread = 60;
  for (std::int64_t n = 1; n <= all && !HasFailure(); n += n < 40 ? 1 : std::max<std::int64_t>(1, all / kSpread)) {
    attempt(n, Failure::once);
    attempt(n, Failure::forever);
  }
  EXPECT_GT(failed_, 20);
}

}  // namespace
}  // namespace impasto::test
