// Parsed prompts as a test writes them.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "prompts/weighted_text.h"

namespace impasto::test {

struct Part {
  std::string text;
  double weight = 1;
};

inline const Part kBreak{"BREAK", 0};

/// Equal texts and breaks, and weights equal to their last roundings.
inline void expect_parts(const std::vector<WeightedText>& got, const std::vector<Part>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const bool is_break = expected[i].weight == 0 && expected[i].text == kBreak.text;
    EXPECT_EQ(got[i].starts_chunk, is_break) << i;
    if (is_break) continue;
    EXPECT_EQ(got[i].text, expected[i].text) << i;
    EXPECT_DOUBLE_EQ(got[i].weight, expected[i].weight) << got[i].text;
  }
}

}  // namespace impasto::test
