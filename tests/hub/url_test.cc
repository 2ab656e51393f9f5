#include "hub/url.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace impasto {
namespace {

std::string origin(const std::string& text) { return Url(text, "x").origin(); }

TEST(Url, OriginsAreSchemeHostAndPort) {
  EXPECT_EQ(origin("https://Hub.example/a?b"), "https://hub.example:443");
  EXPECT_EQ(origin("HTTP://hub.example"), "http://hub.example:80");
  EXPECT_EQ(origin("https://hub.example:8443/"), "https://hub.example:8443");
  EXPECT_EQ(origin("https://hub.example:443/"), origin("https://hub.example"));
}

TEST(Url, WhatIsNoWebAddressIsRefused) {
  for (const std::string bad :
       {"", "hub.example", "ftp://hub.example", "file:///etc/passwd", "https://", "https://a b/", "https://a\nb/", "https://u:p@h/", "https://u@h/",
        "https://@h/", "https://:@h/", "javascript:alert(1)", "https://[::1", "https://h:99999/"})
    EXPECT_ERROR(Url(bad, "HF_ENDPOINT"), invalid_argument, "HF_ENDPOINT") << bad;
}

TEST(Url, RedirectsAreFollowedFromWhereTheyStand) {
  const Url from("https://hub.example/a/b?c", "x");
  EXPECT_EQ(from.redirected("/d").text(), "https://hub.example/d");
  EXPECT_EQ(from.redirected("d?e#f").text(), "https://hub.example/a/d?e");
  EXPECT_EQ(from.redirected("//cdn.example/d").origin(), "https://cdn.example:443");
  EXPECT_EQ(from.redirected("https://cdn.example:444/d").origin(), "https://cdn.example:444");
}

TEST(Url, RedirectsToElsewhereThanTheWebAreRefused) {
  const Url from("https://hub.example/a", "x");
  for (const std::string bad : {"", "file:///etc/passwd", "ftp://h/", "https://u:p@h/", "//@h/", "https://:@h/", "gopher://h/", "https://a b/"})
    EXPECT_ERROR(from.redirected(bad), io, "hub.example") << bad;
  EXPECT_ERROR(from.redirected("http://hub.example/a"), io, "https to http");
  EXPECT_EQ(Url("http://hub.example/a", "x").redirected("https://hub.example/").text(), "https://hub.example/");
}

TEST(Url, RefusalsHideTheQueryAndTheUser) {
  for (const std::string target :
       {"ftp://cdn.example/a?signature=s3cret", "http://s3cret:pw@h/", "https://u:s3cret@h/", "https://u:a?s3cret@h/", "ftp://h/?a=b@c&d=s3cret"}) {
    try {
      Url("https://hub.example/a", "x").redirected(target);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos) << error.what();
    }
  }
}

TEST(Url, LoopbackIsThisMachineOnly) {
  for (const std::string here : {"http://localhost:1/", "http://127.0.0.1/", "http://127.8.9.1/", "http://[::1]:80/"})
    EXPECT_TRUE(Url(here, "x").is_loopback()) << here;
  for (const std::string there :
       {"http://127.0.0.1.example/", "http://localhost.example/", "http://128.0.0.1/", "http://127.evil.com/", "http://[::2]/"})
    EXPECT_FALSE(Url(there, "x").is_loopback()) << there;
}

TEST(UrlEncoded, LeavesOnlyWhatNeedsNoEscape) {
  EXPECT_EQ(url_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(url_encoded("a b/c?d#e%\xc3\xa4.x", true), "a%20b/c%3Fd%23e%25%C3%A4.x");
}

}  // namespace
}  // namespace impasto
