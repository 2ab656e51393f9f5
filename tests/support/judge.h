// The judge of models/sketchbook: a small classifier that says what a picture shows, for tests that need meaning rather than numbers.
#pragma once

#include <array>
#include <string>

#include "impasto/image.h"

namespace impasto::test {

/// What the judge sees; "" where there is nothing.
struct Verdict {
  struct Thing {
    std::string shape, colour;
  };
  std::string subject;              ///< "city", "sea", ..., "objects" for coloured shapes
  std::string style;                ///< "plain", "turner", "vangogh" or "miro"
  std::string time;                 ///< "sunrise", "noon", "sunset" or "night"
  std::string colour;               ///< of the house's walls or the boats' sails
  std::array<Thing, 9> cells = {};  ///< a 3 x 3 grid, row by row
};

/// Judges a picture of 128 x 128 by models/sketchbook/judge.safetensors: the same function as models/sketchbook/judge.py, in plain loops.
Verdict judge(const Image& picture);

}  // namespace impasto::test
