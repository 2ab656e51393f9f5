// A prompt's text, part by part, with what its writer said about each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace impasto {

/// Text between brackets: tokens of different parts are never joined into one.
struct WeightedText {
  std::string text;
  double weight = 1;
  bool starts_chunk = false;  ///< what goes before is padded to a whole chunk (A1111's BREAK)
};

/// A1111's syntax for weights: (a) and ((a)) weigh 1.1 and 1.21, [a] 1 / 1.1, (a:1.3) 1.3, all multiplied where they nest; a backslash takes a
/// bracket's meaning; BREAK in capitals starts a new chunk. Brackets without a partner count to the end of the text if they open something, and
/// are text if they close nothing. Neighbours of equal weight are joined. Source: the project's wiki, "Attention/emphasis", and its parser's
/// rules. Two of those are taken for oversights and not followed: a BREAK within brackets is one, and a weight that is no number
/// (1.2.3) is text instead of an error. Throws invalid_argument for text that is not UTF-8 or nests beyond 100 brackets.
std::vector<WeightedText> parse_a1111(std::string_view prompt);

/// ComfyUI's: (a) multiplies the weight around it by 1.1, (a:1.3) replaces it by 1.3; \( and \) are brackets to be read. Square brackets mean
/// nothing. Source: the project's README and its parser's rules. Throws as parse_a1111().
std::vector<WeightedText> parse_comfyui(std::string_view prompt);

}  // namespace impasto
