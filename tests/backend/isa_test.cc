#include "backend/cpu/isa.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "impasto/error.h"

namespace impasto {
namespace {

std::string message_of(std::string_view name) {
  try {
    set_isa(name);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::invalid_argument);
    return e.what();
  }
  return "";
}

TEST(Isa, BaselineIsAlwaysAvailableAndComesFirst) {
  ASSERT_FALSE(available_isas().empty());
  EXPECT_EQ(available_isas().front(), "baseline");
}

TEST(Isa, NamesTheOneThatWasSet) {
  for (std::string_view name : available_isas()) {
    set_isa(name);
    EXPECT_EQ(isa(), name);
  }
}

TEST(Isa, RefusesAnUnknownNameAndListsTheKnownOnes) {
  const std::string message = message_of("avx9000");
  for (const char* part : {"IMPASTO_ISA", "avx9000", "baseline", "avx2", "avx512", "avx512_bf16", "avx512_fp16", "amx"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(isa(), available_isas().back()) << "a refused name changes nothing";
}

TEST(Isa, RefusesOneThatTheProcessorLacks) {
  for (std::string_view name : {"avx2", "avx512", "avx512_bf16", "avx512_fp16", "amx"}) {
    bool available = false;
    for (std::string_view a : available_isas()) available |= a == name;
    if (available) continue;
    EXPECT_NE(message_of(name).find("does not have"), std::string::npos);
  }
}

// The environment is read once a process, so a child process shows it.
TEST(IsaDeathTest, ReadsTheEnvironmentAtTheFirstCall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (std::string_view name : available_isas())
    EXPECT_EXIT(
        {
          setenv("IMPASTO_ISA", std::string(name).c_str(), 1);
          std::exit(isa() == name ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("IMPASTO_ISA", "mmx", 1);
        try {
          isa();
          std::exit(1);
        } catch (const Error&) {
          std::exit(3);
        }
      },
      testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace impasto
