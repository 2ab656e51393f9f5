// EXPECT_ERROR(statement, kind, "part of the message", ...): the statement throws impasto::Error of the kind, and its message holds
// every part.
#pragma once

#include <initializer_list>
#include <string>

#include <gtest/gtest.h>

#include "impasto/error.h"

namespace impasto::test {

template <typename Statement>
::testing::AssertionResult throws_error(const Statement& statement, ErrorKind kind, std::initializer_list<std::string> parts) {
  try {
    statement();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (error.kind() != kind)
      return ::testing::AssertionFailure() << "expected " << to_string(kind) << ", got " << to_string(error.kind()) << ": " << message;
    for (const std::string& part : parts)
      if (message.find(part) == std::string::npos) return ::testing::AssertionFailure() << "no \"" << part << "\" in: " << message;
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "nothing was thrown, expected " << to_string(kind);
}

}  // namespace impasto::test

#define EXPECT_ERROR(statement, kind, ...) \
  EXPECT_TRUE(::impasto::test::throws_error([&] { static_cast<void>(statement); }, ::impasto::ErrorKind::kind, {__VA_ARGS__}))
