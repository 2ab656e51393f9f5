// How the Hub is reached: TLS, certificates, proxies.
#include <filesystem>

#include <gtest/gtest.h>

#include "hub/hub_server.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

class TlsTest : public ::testing::Test {
 protected:
  test::HubServer hub_{/*tls=*/true};
};

TEST_F(TlsTest, ACertificateThatNobodyTrustsEndsItAtOnce) {
  EXPECT_ERROR(hub_.download(), io, "127.0.0.1", "certificate");
  EXPECT_EQ(hub_.requests().size(), 0u);
}

TEST_F(TlsTest, ACertificateThatIsTrustedServes) {
  for (const char* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    test::Variables trust{{variable, hub_.certificate().c_str()}};
    std::filesystem::remove_all(hub_.cache());
    EXPECT_GT(hub_.download().fetched_bytes, 0) << variable;
  }
  EXPECT_EQ(hub_.damage(), "");
}

TEST_F(TlsTest, ACertificateForAnotherNameIsNone) {
  test::Variables trust{{"SSL_CERT_FILE", hub_.certificate().c_str()}};
  hub_.variables().set("HF_ENDPOINT", ("https://127.0.0.2:" + std::to_string(hub_.port())).c_str());
  EXPECT_ERROR(hub_.download(), io, "127.0.0.2");
}

TEST_F(TlsTest, TheWayDownToHttpIsNotTaken) {
  const test::HubServer plain;
  test::Variables trust{{"SSL_CERT_FILE", hub_.certificate().c_str()}};
  hub_.variables().set("HF_ENDPOINT", hub_.endpoint().c_str());
  hub_.variables().set("HF_TOKEN", "hf_good");
  hub_.misbehave_for_file("unet/config.json", {{"redirect", plain.endpoint() + "/org/tiny/resolve/main/unet/config.json"}});
  EXPECT_ERROR(hub_.download(), io, "https to http");
}

TEST(ProxyTest, IsUsedAsCurlsVariablesSay) {
  test::HubServer hub;  // is asked for whole addresses, as a proxy is
  hub.variables().set("HF_ENDPOINT", "http://hub.invalid");
  hub.variables().set("http_proxy", hub.endpoint().c_str());
  hub.variables().set("no_proxy", "127.0.0.1");
  hub.variables().set("HF_TOKEN", "hf_good");
  EXPECT_GT(hub.download().fetched_bytes, 0);
  for (const Json& request : hub.requests()) {
    const bool is_hub = request.at("server") == "hub";
    EXPECT_EQ(request.at("path").get<std::string>().find("http://hub.invalid/"), is_hub ? 0u : std::string::npos) << request;
    EXPECT_EQ(request.at("token"), "") << "everybody on the way could read it";
  }
}

/// What a download through this proxy fails with.
std::string failure_through(const std::string& proxy) {
  test::HubServer hub;
  hub.variables().set("HF_ENDPOINT", "http://hub.invalid");
  hub.variables().set("http_proxy", proxy.c_str());
  try {
    hub.download();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(ProxyTest, OnesThatCannotBeUsedAreRefusedAtOnceAndNotShown) {
  for (const std::string proxy : {"garbage://u:s3cret@x", "http://u:s3 s3cret@127.0.0.1:9", "u:s3cret@127.0.0.1:99999"}) {
    const std::string failure = failure_through(proxy);
    EXPECT_NE(failure.find("http_proxy"), failure.npos) << failure;
    EXPECT_EQ(failure.find("s3cret"), failure.npos) << failure;
    EXPECT_EQ(failure.find("tried"), failure.npos) << failure;
  }
}

TEST(ProxyTest, DeadOnesAreNamedAsProxies) {
  const std::string failure = failure_through("http://u:s3cret@127.0.0.1:1");
  EXPECT_NE(failure.find("this is the proxy"), failure.npos) << failure;
  EXPECT_EQ(failure.find("s3cret"), failure.npos) << failure;
}

}  // namespace
}  // namespace impasto
