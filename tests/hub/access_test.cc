// Who may see what: tokens, gates, and where a token goes.
#include <filesystem>

#include <gtest/gtest.h>

#include "hub/http.h"
#include "hub/hub_server.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

class AccessTest : public ::testing::Test {
 protected:
  /// The download fails so, and nothing of any token is in the message.
  void expect_denied(std::initializer_list<std::string> parts, const DownloadOptions& options = {}) {
    EXPECT_TRUE(test::throws_error([&] { hub_.download("org/tiny", options); }, ErrorKind::access_denied, parts));
    try {
      hub_.download("org/tiny", options);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("hf_"), std::string::npos) << error.what();
    }
  }

  void log_in(const char* token) { hub_.variables().set("HF_TOKEN", token); }
  std::string page() const { return hub_.endpoint() + "/org/tiny"; }

  test::HubServer hub_;
};

TEST_F(AccessTest, GatedModelsNameThePageAndHowToLogIn) {
  hub_.misbehave({{"gated", true}});
  expect_denied({"org/tiny is gated", page(), "impasto login", "/settings/tokens"});
  log_in("hf_good");
  expect_denied({"org/tiny is gated", page(), "account", "fine-grained"});
  log_in("hf_accepted");
  EXPECT_GT(hub_.download().fetched_bytes, 0);
}

TEST_F(AccessTest, PrivateModelsMayBeMissingOnes) {
  hub_.misbehave({{"private", true}});
  expect_denied({"there is no model org/tiny", "or it is private", "impasto login"});
  log_in("hf_other");
  EXPECT_ERROR(hub_.download(), not_found, "there is no model org/tiny", "may not see it");
  log_in("hf_good");
  EXPECT_GT(hub_.download().fetched_bytes, 0);
}

TEST_F(AccessTest, TokensThatAreNotKnownAreSaidToBe) {
  log_in("hf_bad");
  expect_denied({"does not accept your token", "HF_TOKEN", "unset"});
  log_in(nullptr);
  std::ofstream(std::filesystem::path(hub_.home()) / "token") << "hf_bad";
  expect_denied({"does not accept your token", "impasto login"});
}

TEST_F(AccessTest, PagesOfAnEndpointWithAPathLieBelowIt) {
  hub_.variables().set("HF_ENDPOINT", (hub_.endpoint() + "/mirror/").c_str());
  expect_denied({hub_.endpoint() + "/mirror/org/tiny,", hub_.endpoint() + "/mirror/settings/tokens)"});
  for (const Json& request : hub_.requests()) EXPECT_EQ(request.at("path").get<std::string>().find("/mirror/api/models/org/tiny/"), 0u) << request;
}

TEST_F(AccessTest, MissingModelsAreNotFound) {
  log_in("hf_good");
  EXPECT_ERROR(hub_.download("org/none"), not_found, "there is no model org/none");
}

TEST_F(AccessTest, TheTokenComesFromTheOptionsTheVariableOrTheFile) {
  hub_.misbehave({{"private", true}});
  DownloadOptions options;
  options.token = "hf_good";
  log_in("hf_other");
  hub_.download("org/tiny", options);
  std::filesystem::remove_all(hub_.cache());
  options.token = "";
  expect_denied({"private"}, options);
  log_in(nullptr);
  std::ofstream(std::filesystem::path(hub_.home()) / "token") << "hf_good\n";
  hub_.download();
  hub_.variables().set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  std::filesystem::remove_all(hub_.cache());
  expect_denied({"private"});
}

TEST_F(AccessTest, TheTokenGoesToTheEndpointOnly) {
  log_in("hf_good");
  hub_.misbehave({{"listing_without_hashes", true}});
  hub_.download();
  int hub = 0, storage = 0;
  for (const Json& request : hub_.requests()) {
    EXPECT_EQ(request.at("token"), request.at("server") == "hub" ? "hf_good" : "") << request;
    ++(request.at("server") == "hub" ? hub : storage);
  }
  EXPECT_GT(hub, 12);
  EXPECT_GT(storage, 2);
}

TEST_F(AccessTest, ARedirectToAnotherPortNameOrWayBackDoesNotCarryIt) {
  log_in("hf_good");
  const std::string storage = ":" + std::to_string(hub_.storage_port()) + "/org/tiny/unet/config.json";
  for (const std::string& target : {"http://127.0.0.1" + storage, "http://localhost" + storage, "//127.0.0.1" + storage, "http://[::1]" + storage}) {
    std::filesystem::remove_all(hub_.cache());
    hub_.misbehave_for_file("unet/config.json", {{"redirect", target}, {"times", 1}});
    hub_.requests();
    try {
      hub_.download("org/tiny/unet/config.json");
    } catch (const Error&) {  // nobody listens at ::1
    }
    for (const Json& request : hub_.requests()) EXPECT_EQ(request.at("token"), request.at("server") == "hub" ? "hf_good" : "") << target << request;
  }
}

TEST_F(AccessTest, TheTokenIsNotSentOverHttpToOtherMachines) {
  const auto settings = [](const char* endpoint, const char* token) { return HttpSettings{Url(endpoint, "x"), token}; };
  EXPECT_TRUE(settings("https://hub.example", "t").token_is_sent());
  EXPECT_TRUE(settings("http://127.0.0.1:1", "t").token_is_sent());
  EXPECT_FALSE(settings("http://hub.example", "t").token_is_sent());
  EXPECT_FALSE(settings("https://hub.example", "").token_is_sent());
}

TEST_F(AccessTest, WhoseTokenItIsIsNotAskedOverHttp) {
  hub_.variables().set("HF_ENDPOINT", "http://hub.invalid");
  hub_.variables().set("http_proxy", hub_.endpoint().c_str());
  EXPECT_ERROR(token_account("hf_good"), access_denied, "hub.invalid", "not sent over http", "https address");
  EXPECT_EQ(hub_.requests().size(), 0u);
}

TEST_F(AccessTest, TokensCannotBringHeadersAlong) {
  log_in("hf_a\r\nX-Evil: 1");
  EXPECT_ERROR(hub_.download(), invalid_argument, "HF_TOKEN");
  EXPECT_EQ(hub_.requests().size(), 0u);
}

TEST_F(AccessTest, WhatAServerSaysIsPrintedAsText) {
  hub_.misbehave({{"files", {{"model_index.json", {{"status", 403}}}}}});
  hub_.misbehave({{"head", Json::object()}, {"files", {{"unet/config.json", {{"status", 418}}}}}});
  EXPECT_ERROR(hub_.download(), bad_file, "418", "HF_ENDPOINT");
}

}  // namespace
}  // namespace impasto
