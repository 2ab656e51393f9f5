// Servers that break off, lie and have no time; disks that are full.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include "hub/hub_server.h"
#include "hub/partial_file.h"
#include "impasto/pipeline.h"
#include "support/expect_error.h"

namespace impasto {
namespace {
namespace fs = std::filesystem;

const std::string kFile = "big.safetensors";

class FaultTest : public ::testing::Test {
 protected:
  FaultTest() : content_(test::noise(1'000'000)) { hub_.publish(kFile, content_); }

  /// Downloads the file under a fault and compares what came. Returns the requests for its content.
  std::vector<Json> expect_whole(const Json& fault) {
    hub_.misbehave_for_file(kFile, fault);
    EXPECT_EQ(test::content_of(hub_.download("org/tiny/" + kFile).path) == content_, true);
    EXPECT_EQ(hub_.damage(), "");
    EXPECT_TRUE(hub_.leftovers().empty());
    return hub_.requests_for(kFile);
  }

  /// The download fails, nothing of it is visible, and it works once the server is well.
  void expect_failure(const Json& fault, ErrorKind kind, std::initializer_list<std::string> parts) {
    fs::remove_all(hub_.cache());
    hub_.misbehave_for_file(kFile, fault);
    EXPECT_TRUE(test::throws_error([&] { hub_.download("org/tiny/" + kFile); }, kind, parts)) << fault;
    EXPECT_FALSE(cached_model("org/tiny/" + kFile));
    expect_whole({});
  }

  test::HubServer hub_;
  std::string content_;
};

TEST_F(FaultTest, BrokenConnectionsGoOnByRange) {
  const auto requests = expect_whole({{"break_after", 300'000}, {"times", 2}});
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_TRUE(requests[0].at("range").is_null());
  EXPECT_EQ(requests[1].at("range"), "bytes=300000-");
  EXPECT_EQ(requests[2].at("range"), "bytes=600000-");
}

TEST_F(FaultTest, BreaksAtAnyPlaceAreMended) {
  for (int i = 0; i < 50; ++i) {
    const int at = i * 20'003 % 1'000'000;
    content_ = test::noise(1'000'000, static_cast<unsigned>(i + 2));  // a blob of its own
    hub_.publish(kFile, content_);
    expect_whole({{"break_after", at}, {"times", 1}});
  }
}

TEST_F(FaultTest, ServersThatIgnoreRangesSendAllAgain) {
  expect_whole({{"break_after", 1000}, {"times", 2}, {"ignore_range", true}});
  EXPECT_EQ(expect_whole({}).size(), 0u);
}

TEST_F(FaultTest, ABreakAtTheSamePlaceForEverIsGivenUp) {
  expect_failure({{"break_after", 1000}, {"ignore_range", true}}, ErrorKind::io, {kFile, "tried 5 times"});
}

TEST_F(FaultTest, WrongRangesAreNotBelieved) {
  fs::create_directories(hub_.repository() + "/blobs");
  hub_.misbehave_for_file(kFile, {{"break_after", 1000}});
  EXPECT_ERROR(hub_.download("org/tiny/" + kFile), io, kFile);
  EXPECT_EQ(hub_.leftovers().size(), 1u);
  expect_whole({{"wrong_range", true}});
}

TEST_F(FaultTest, AWrongBitIsFetchedAgain) {
  const auto requests = expect_whole({{"flip", 500'000}, {"times", 2}});
  ASSERT_EQ(requests.size(), 3u);
  for (const Json& request : requests) EXPECT_TRUE(request.at("range").is_null());
}

TEST_F(FaultTest, WhatStaysWrongGetsNoName) {
  expect_failure({{"flip", 999'999}}, ErrorKind::bad_file, {"org/tiny/" + kFile, "SHA-256"});
  hub_.publish("config.json", "{\"a\": 1}");
  hub_.misbehave_for_file("config.json", {{"flip", 3}});
  EXPECT_ERROR(hub_.download("org/tiny/config.json"), bad_file, "git hash");
}

TEST_F(FaultTest, WrongLengthsAreSeen) {
  expect_whole({{"longer", 1}, {"times", 2}});
  EXPECT_EQ(expect_whole({}).size(), 0u);
  content_ += "x";
  hub_.publish(kFile, content_);
  expect_whole({{"shorter", 70'000}, {"times", 2}});
  expect_failure({{"longer", 1}}, ErrorKind::bad_file, {kFile});
  expect_failure({{"shorter", 1}}, ErrorKind::io, {kFile});
}

/// One of the ways in which a server may fail, at a place of its own.
Json any_fault(std::mt19937& random, std::size_t bytes) {
  const auto up_to = [&](std::size_t n) { return static_cast<std::int64_t>(random() % (n + 1)); };
  Json fault;
  switch (random() % 9) {
    case 0: fault = {{"flip", up_to(bytes - 1)}}; break;
    case 1: fault = {{"longer", 1 + up_to(70'000)}}; break;
    case 2: fault = {{"shorter", 1 + up_to(bytes - 1)}}; break;
    case 3: fault = {{"status", std::array{404, 429, 500, 503}[random() % 4]}}; break;
    case 4: fault = {{"gzip", true}}; break;
    case 5: fault = {{"redirect", "http://127.0.0.1:1/"}}; break;
    case 6: fault = {{"break_after", up_to(bytes)}, {"ignore_range", true}}; break;
    case 7: fault = {{"break_after", up_to(bytes)}, {"wrong_range", true}}; break;
    default: fault = {{"break_after", up_to(bytes)}};
  }
  if (random() % 4 != 0) fault["times"] = 1 + random() % 4;
  return fault;
}

// IMPASTO_FAULT_RUNS says how many, for a longer run.
TEST_F(FaultTest, AnyFaultEndsInTheRightBytesOrInAnErrorAndTheNextIsWhole) {
  const char* runs = std::getenv("IMPASTO_FAULT_RUNS");
  int whole = 0, all = runs != nullptr ? std::atoi(runs) : 40;
  for (int seed = 0; seed < all; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    content_ = test::noise(1 + random() % 200'000, static_cast<unsigned>(seed + 100));
    hub_.publish(kFile, content_);
    const Json fault = any_fault(random, content_.size());
    SCOPED_TRACE(std::to_string(seed) + ": " + fault.dump());
    hub_.misbehave_for_file(kFile, fault);
    try {
      ASSERT_EQ(test::content_of(hub_.download("org/tiny/" + kFile).path) == content_, true);
      ++whole;
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::io || error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::not_found) << error.what();
      EXPECT_NE(std::string(error.what()).find(kFile), std::string::npos) << error.what();
      EXPECT_EQ(hub_.damage(), "");
    }
    expect_whole({});
  }
  EXPECT_GT(whole, all / 4);
  EXPECT_LT(whole, all);
}

TEST_F(FaultTest, CompressedContentThatWasNotAskedForIsRefused) { expect_failure({{"gzip", true}}, ErrorKind::io, {kFile, "compressed"}); }

TEST_F(FaultTest, BusyServersAreAskedAgain) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    content_ += "x";
    hub_.publish(kFile, content_);
    EXPECT_EQ(expect_whole({{"status", status}, {"times", 2}}).size(), 3u) << status;
  }
}

TEST_F(FaultTest, BusyServersAreNotAskedForEver) {
  expect_failure({{"status", 503}}, ErrorKind::io, {"503", "tried 5 times"});
  expect_failure({{"status", 429}, {"retry_after", 3600}}, ErrorKind::io, {"429", "3600 seconds"});
}

TEST_F(FaultTest, TheWaitThatAServerAsksForIsKept) {
  const auto began = std::chrono::steady_clock::now();
  expect_whole({{"status", 429}, {"retry_after", 1}, {"times", 1}});
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

TEST_F(FaultTest, StalledConnectionsAreLeft) {
  hub_.variables().set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  const auto requests = expect_whole({{"stall_after", 200'000}, {"times", 1}});
  EXPECT_EQ(requests.back().at("range"), "bytes=200000-");
}

TEST_F(FaultTest, ConnectionsThatDripAreLeft) {
  hub_.variables().set("HF_HUB_DOWNLOAD_TIMEOUT", "1");
  EXPECT_EQ(expect_whole({{"drip", 100}, {"times", 1}}).size(), 2u);
}

TEST_F(FaultTest, TimeoutsThatAreNoneAreRefused) {
  hub_.variables().set("HF_HUB_ETAG_TIMEOUT", "abc");
  EXPECT_ERROR(hub_.download(), invalid_argument, "HF_HUB_ETAG_TIMEOUT", "abc");
}

TEST_F(FaultTest, RedirectsWithoutEndEnd) { expect_failure({{"endless_redirect", true}}, ErrorKind::io, {kFile, "without end"}); }

TEST_F(FaultTest, RedirectsToElsewhereThanTheWebAreNotFollowed) {
  for (const std::string target : {"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/", "https://user:word@127.0.0.1/", ""})
    expect_failure({{"redirect", target}}, ErrorKind::io, {"127.0.0.1"});
}

TEST_F(FaultTest, AStoragesRefusalIsOfTheAddressAndTriedAnew) {
  const auto requests = expect_whole({{"status", 403}, {"times", 1}});
  EXPECT_EQ(requests.size(), 2u);
}

TEST_F(FaultTest, ServersThatAreNotThereAreNamed) {
  hub_.variables().set("HF_ENDPOINT", "http://127.0.0.1:1");
  EXPECT_ERROR(hub_.download(), io, "127.0.0.1", "tried 3 times");
  hub_.variables().set("HF_ENDPOINT", "http://no-such-host.invalid");
  EXPECT_ERROR(hub_.download(), io, "no-such-host.invalid");
  hub_.variables().set("HF_ENDPOINT", "not a url");
  EXPECT_ERROR(hub_.download(), invalid_argument, "HF_ENDPOINT");
}

TEST_F(FaultTest, AServerThatIsNoHubIsSeen) {
  hub_.variables().set("HF_ENDPOINT", ("http://127.0.0.1:" + std::to_string(hub_.storage_port())).c_str());
  EXPECT_ERROR(hub_.download(), access_denied, "org/tiny");
  hub_.variables().set("HF_ENDPOINT", hub_.endpoint().c_str());
  for (const char* header : {"X-Repo-Commit", "X-Linked-Etag"}) {
    hub_.misbehave({{"head", {{header, nullptr}}}});
    EXPECT_ERROR(hub_.download("org/tiny/" + kFile), bad_file, kFile, "HF_ENDPOINT") << header;
  }
  hub_.misbehave({{"head", {{"X-Linked-Etag", "\"../../../../tmp/x\""}}}});
  EXPECT_ERROR(hub_.download("org/tiny/" + kFile), bad_file, "hash (ETag)");
  hub_.misbehave({{"head", {{"X-Repo-Commit", "../../x"}}}});
  EXPECT_ERROR(hub_.download("org/tiny/" + kFile), bad_file, "commit");
}

TEST_F(FaultTest, ListsThatAreNoneAreRefused) {
  for (const std::string listing : {"<html>", "{}", "[1]", "{\"sha\": \"COMMIT\"}", "{\"sha\": \"COMMIT\", \"siblings\": 1}"}) {
    hub_.misbehave({{"listing", listing}});
    EXPECT_ERROR(hub_.download(), bad_file, "the list of org/tiny") << listing;
  }
  hub_.misbehave({{"listing", std::string(1 << 20, '[')}});
  EXPECT_ERROR(hub_.download(), bad_file, "nested");
}

TEST_F(FaultTest, HostileNamesInListsWriteNothing) {
  const std::string names[] = {"../../../../evil",       "/tmp/evil", "unet/../../../../evil", "..\\\\evil", "model_index.json/../evil",
                               "unet/config.json\\u0000"};
  std::string siblings;
  for (const auto& name : names) siblings += R"({"rfilename": ")" + name + R"("},)";
  hub_.misbehave({{"listing", R"({"sha": "COMMIT", "siblings": [)" + siblings + R"({"rfilename": "model_index.json"}]})"}});
  EXPECT_ERROR(hub_.download(), not_found, "org/tiny on 127.0.0.1", "has no tokenizer/vocab.json");
  EXPECT_FALSE(fs::exists(hub_.repository() + "/snapshots"));
}

TEST_F(FaultTest, SizesBeyondTheDiskAreSeenBefore) {
  Json listing = {{"sha", "COMMIT"}, {"siblings", {{{"rfilename", "config.json"}, {"size", 1}, {"blobId", std::string(40, 'a')}}}}};
  for (const std::int64_t size : {std::int64_t{1} << 52, INT64_MAX}) {
    listing["siblings"].push_back(
        {{"rfilename", "diffusion_pytorch_model.safetensors"}, {"lfs", {{"size", size}, {"sha256", std::string(64, 'b')}}}});
    hub_.misbehave({{"listing", listing.dump()}});
    EXPECT_ERROR(hub_.download(), io, std::to_string(static_cast<std::uint64_t>(size) + 1), "free", "HF_HOME");
    listing["siblings"].erase(1);
  }
}

TEST_F(FaultTest, LeftoversThatAreWrongDoNotStick) {
  const std::string blobs = hub_.repository() + "/blobs/";
  hub_.download("org/tiny/" + kFile);
  const std::string hash = fs::canonical(find_model("org/tiny/" + kFile)).filename().string();
  for (const std::string& left : {std::string("wrong"), test::noise(2'000'000, 7), content_ + "more", content_.substr(0, 999'999) + "!", content_}) {
    fs::remove(blobs + hash);
    std::ofstream(blobs + hash + ".impasto-0123456789abcdef.incomplete", std::ios::binary) << left;
    std::ofstream(blobs + hash + ".impasto-0000000000000000.incomplete", std::ios::binary) << "short";
    std::ofstream(blobs + hash + ".12345678.incomplete") << "of another program";
    hub_.download("org/tiny/" + kFile);
    EXPECT_EQ(hub_.damage(), "");
    EXPECT_EQ(hub_.leftovers(), std::vector<std::string>{hash + ".12345678.incomplete"});
  }
}

TEST_F(FaultTest, LeftoversAreNotFollowedOutOfTheCache) {
  hub_.download("org/tiny/" + kFile);
  const std::string blob = fs::canonical(find_model("org/tiny/" + kFile)).string(), outside = fs::path(hub_.home()) / "outside";
  fs::remove(blob);
  std::ofstream(outside) << "mine";
  fs::create_symlink(outside, blob + ".impasto-0123456789abcdef.incomplete");
  hub_.download("org/tiny/" + kFile);
  EXPECT_EQ(test::content_of(outside), "mine");
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(FaultTest, AFullDiskIsSaidAndWhatCameStays) {
  const std::string folder = fs::path(hub_.home()) / "small";
  fs::create_directories(folder);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=2m") != 0) GTEST_SKIP() << "only root may mount";
  hub_.variables().set("HF_HUB_CACHE", folder.c_str());
  // The list says nothing of sizes, so that the disk fills on the way; the server says another size than it sends.
  content_ = test::noise(3'000'000, 9);
  hub_.publish(kFile, content_);
  std::ofstream(folder + "/filler") << test::noise(500'000);
  EXPECT_ERROR(hub_.download("org/tiny/" + kFile), io, folder, "3000000 bytes are needed");
  {
    PartialFile file(folder + "/" + std::string(64, 'a'), std::string(64, 'a'), 3'000'000);
    const auto fill = [&] {
      for (int i = 0; i < 30; ++i) file.append(content_.substr(0, 100'000));
    };
    EXPECT_ERROR(fill(), io, "No space left", "kept", "HF_HOME");
  }
  EXPECT_GT(leftover_bytes(folder + "/" + std::string(64, 'a'), 3'000'000), 1'000'000u);
  ::umount2(folder.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace impasto
