// What the fuzzers share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "impasto/error.h"

/// A promise of the parser: breaking it is a finding.
#define CHECK(condition)            \
  do {                              \
    if (!(condition)) std::abort(); \
  } while (false)

namespace impasto::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

/// Runs `parse`; an Error of one of the kinds is what bad input deserves, and its message is printable ASCII and short.
template <typename Parse>
void expect_error_or_result(std::initializer_list<ErrorKind> kinds, const Parse& parse) {
  try {
    parse();
  } catch (const Error& error) {
    bool expected = false;
    for (const ErrorKind kind : kinds) expected |= kind == error.kind();
    CHECK(expected);
    const std::string_view message = error.what();
    CHECK(message.size() < 1000);
    for (const char c : message) CHECK(c >= 0x20 && c < 0x7F);
  }
}

}  // namespace impasto::fuzz
