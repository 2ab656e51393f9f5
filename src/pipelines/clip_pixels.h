// Pictures as CLIP wants them.
#pragma once

#include <cstdint>
#include <vector>

#include "impasto/image.h"

namespace impasto {

/// [3, side, side]: its shorter side brought to `side` by Pillow's bicubic filter, the middle cut out, 0..255 to 0..1, and each colour's mean and
/// deviation over CLIP's training set taken out (transformers' CLIPImageProcessor).
std::vector<float> clip_pixels(const Image& image, std::int64_t side);

}  // namespace impasto
