// What A1111's text tells of a picture that options made of it do not bring back.
#pragma once

#include <string>
#include <vector>

#include "impasto/metadata.h"

namespace impasto {

/// Of the picture, the mask and the refiner, which the text does not hold, unless they are `beside` it.
std::vector<std::string> named_again(const Infotext& text, const NamedBeside& beside);

/// Of fields that change a picture and are not supported.
std::vector<std::string> left_out(const Infotext& text);

}  // namespace impasto
