#include "hub/environment.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/environment.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace impasto {
namespace {

class HubEnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override { variables_.set("HOME", "/home/u"); }
  void set(const char* name, const std::string& value) { variables_.set(name, value.c_str()); }

  test::NoHubVariables variables_;
};

TEST_F(HubEnvironmentTest, DefaultsAreThoseOfHuggingfaceHub) {
  const HubEnvironment e = HubEnvironment::read();
  EXPECT_EQ(e.cache, "/home/u/.cache/huggingface/hub");
  EXPECT_EQ(e.token_file, "/home/u/.cache/huggingface/token");
  EXPECT_EQ(e.endpoint, "https://huggingface.co");
  EXPECT_FALSE(e.offline);
}

TEST_F(HubEnvironmentTest, TheMoreParticularVariableWins) {
  set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(HubEnvironment::read().cache, "/x/huggingface/hub");
  set("HF_HOME", "/h");
  EXPECT_EQ(HubEnvironment::read().cache, "/h/hub");
  EXPECT_EQ(HubEnvironment::read().token_file, "/h/token");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(HubEnvironment::read().cache, "/old");
  set("HF_HUB_CACHE", "/new");
  set("HF_TOKEN_PATH", "/t");
  EXPECT_EQ(HubEnvironment::read().cache, "/new");
  EXPECT_EQ(HubEnvironment::read().token_file, "/t");
}

TEST_F(HubEnvironmentTest, PathsAreExpandedAsAShellWould) {
  set("HF_HOME", "~/a");
  EXPECT_EQ(HubEnvironment::read().cache, "/home/u/a/hub");
  set("HF_HOME", "$HOME/${XDG_CACHE_HOME}b/$NO_SUCH_VARIABLE/$/${HOME");
  set("XDG_CACHE_HOME", "c");
  EXPECT_EQ(HubEnvironment::read().cache, "/home/u/cb/$NO_SUCH_VARIABLE/$/${HOME/hub");
}

TEST_F(HubEnvironmentTest, OfflineIsSaidInFourWays) {
  for (const std::string yes : {"1", "on", "Yes", "TRUE"}) {
    set("HF_HUB_OFFLINE", yes);
    EXPECT_TRUE(HubEnvironment::read().offline) << yes;
  }
  for (const std::string no : {"0", "", "off", "2"}) {
    set("HF_HUB_OFFLINE", no);
    EXPECT_FALSE(HubEnvironment::read().offline) << no;
  }
  set("TRANSFORMERS_OFFLINE", "1");
  EXPECT_TRUE(HubEnvironment::read().offline);
}

TEST_F(HubEnvironmentTest, EndpointsLoseTheirLastSlash) {
  set("HF_ENDPOINT", "http://localhost:1/hub//");
  EXPECT_EQ(HubEnvironment::read().endpoint, "http://localhost:1/hub");
}

TEST_F(HubEnvironmentTest, TimeoutsAreWholeSeconds) {
  const char* name = "HF_HUB_DOWNLOAD_TIMEOUT";
  EXPECT_EQ(timeout_seconds(name), 10);
  for (const std::string bad : {"0", "-1", "x", "1.5", "99999999999", " "}) {
    set(name, bad);
    EXPECT_ERROR(timeout_seconds(name), invalid_argument, name, "seconds", '"' + bad + '"');
  }
  set(name, "");
  EXPECT_EQ(timeout_seconds(name), 10);
  set(name, "30");
  EXPECT_EQ(timeout_seconds(name), 30);
}

TEST_F(HubEnvironmentTest, TokensComeFromTheVariableThenFromTheFile) {
  const test::TemporaryFolder folder;
  set("HF_HOME", folder.path());
  EXPECT_EQ(stored_token(HubEnvironment::read()), "");
  folder.write("token", "\n hf_file \r\n");
  EXPECT_EQ(stored_token(HubEnvironment::read()), "hf_file");
  set("HUGGING_FACE_HUB_TOKEN", "hf_old");
  EXPECT_EQ(stored_token(HubEnvironment::read()), "hf_old");
  set("HF_TOKEN", "hf_new\n");
  EXPECT_EQ(stored_token(HubEnvironment::read()), "hf_new");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(stored_token(HubEnvironment::read()), "");
}

TEST_F(HubEnvironmentTest, TokensOfAVariableAreToldFromOthers) {
  EXPECT_EQ(variable_of_token(""), "");
  set("HF_TOKEN", " hf_new\n");
  set("HUGGING_FACE_HUB_TOKEN", "hf_old");
  EXPECT_EQ(variable_of_token("hf_new"), "HF_TOKEN");
  EXPECT_EQ(variable_of_token("hf_old"), "HUGGING_FACE_HUB_TOKEN");
  EXPECT_EQ(variable_of_token("hf_kept"), "");
}

TEST_F(HubEnvironmentTest, TokensThatCouldNotStandInAHeaderAreRefusedWithoutBeingShown) {
  for (const std::string bad : {"hf_a b", "hf_a\nX-Evil: 1", "hf_\x01secret", "hf_\xc3\xa4"}) {
    EXPECT_ERROR(clean_token(bad, "HF_TOKEN"), invalid_argument, "HF_TOKEN", "hf_...");
    try {
      clean_token(bad, "HF_TOKEN");
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(bad), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace impasto
