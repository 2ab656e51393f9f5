// Several processes on one cache, and processes that are killed.
#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hub/hub_server.h"
#include "support/expect_error.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

const std::string kUnet = "unet/diffusion_pytorch_model.safetensors";
constexpr std::int64_t kUnetBytes = 3 << 20;

class ProcessesTest : public ::testing::Test {
 protected:
  ProcessesTest() { hub_.publish(kUnet, test::noise(kUnetBytes)); }

  /// download() in a process of its own, which ends with 0 if it succeeds.
  pid_t start() const {
    const pid_t child = ::fork();
    if (child != 0) return child;
    try {
      hub_.download("org/tiny");
      ::_exit(0);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      ::_exit(1);
    }
  }

  bool has_partial_file_of(std::int64_t bytes) const {
    for (const std::string& name : hub_.leftovers()) {
      std::error_code gone;
      if (fs::file_size(hub_.repository() + "/blobs/" + name, gone) == static_cast<std::uintmax_t>(bytes) && !gone) return true;
    }
    return false;
  }

  static int end_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }

  void expect_all_succeed(int processes) {
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) children.push_back(start());
    for (const pid_t child : children) EXPECT_EQ(end_of(child), 0);
    EXPECT_EQ(hub_.damage(), "");
    EXPECT_TRUE(hub_.leftovers().empty());
    EXPECT_TRUE(cached_model("org/tiny"));
  }

  test::HubServer hub_;
};

TEST_F(ProcessesTest, AtOnceFetchEachFileOnce) {
  expect_all_succeed(4);
  EXPECT_EQ(hub_.requests_for(kUnet).size(), 1u);
}

TEST_F(ProcessesTest, WithoutLocksFetchMoreAndSpoilNothing) {
  fs::create_directories(hub_.cache());
  std::ofstream(hub_.cache() + "/.locks") << "no folder, so that no lock can be had";
  expect_all_succeed(8);
}

TEST_F(ProcessesTest, KilledAtAnyMomentLeaveOldOrNewAndTheNextGoesOn) {
  for (int i = 0; i < 6; ++i) {
    hub_.publish(kUnet, test::noise(kUnetBytes, static_cast<unsigned>(i)));
    const auto before = cached_model("org/tiny");
    const std::int64_t bytes = (i + 1) * kUnetBytes / 8 + 1000 * i;
    hub_.misbehave_for_file(kUnet, {{"stall_after", bytes}});
    const pid_t child = start();
    while (!has_partial_file_of(bytes)) {
      ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << i << ": it ended by itself";
      ::usleep(1000);
    }
    ::kill(child, SIGKILL);
    end_of(child);
    hub_.misbehave({});
    EXPECT_EQ(cached_model("org/tiny"), before);
    EXPECT_EQ(hub_.damage(), "");
    hub_.requests();
    const DownloadedModel model = hub_.download();
    const auto requests = hub_.requests_for(kUnet);
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].at("range"), "bytes=" + std::to_string(bytes) + "-") << i << ": went on where it stopped";
    EXPECT_EQ(cached_model("org/tiny"), model.path);
    EXPECT_EQ(hub_.damage(), "");
    EXPECT_TRUE(hub_.leftovers().empty());
  }
}

TEST_F(ProcessesTest, OneWaitsForAnotherAndTakesWhatItFetched) {
  hub_.misbehave_for_file(kUnet, {{"pause", 0.02}});
  const pid_t other = start();
  while (hub_.leftovers().empty()) ::usleep(1000);
  DownloadOptions options;
  bool waited = false;
  options.on_progress = [&](const DownloadProgress& p) { waited |= p.waiting; };
  const DownloadedModel model = hub_.download("org/tiny", options);
  EXPECT_EQ(end_of(other), 0);
  EXPECT_TRUE(waited);
  EXPECT_LT(model.fetched_bytes, kUnetBytes);
}

TEST_F(ProcessesTest, AWaitEndsWhenAsked) {
  hub_.misbehave_for_file(kUnet, {{"stall_after", 1000}});
  const pid_t other = start();
  while (hub_.leftovers().empty()) ::usleep(1000);
  DownloadOptions options;
  bool waited = false;
  options.on_progress = [&](const DownloadProgress& p) { waited |= p.waiting; };
  options.should_stop = [&] { return waited; };
  EXPECT_ERROR(hub_.download("org/tiny", options), cancelled, "org/tiny");
  ::kill(other, SIGKILL);
  end_of(other);
}

}  // namespace
}  // namespace impasto
