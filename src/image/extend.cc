#include "image/extend.h"

#include <algorithm>
#include <random>

#include "core/fail.h"
#include "image/fitting.h"

namespace impasto {
namespace {

Pixels room(const PixelView& image, const Margins& m) { return {image.width + m.left + m.right, image.height + m.top + m.bottom, image.channels}; }

}  // namespace

Pixels extended(const PixelView& image, const Margins& m) {
  constexpr int kNoisePerPixel = 1, kMostNoise = 64;  // levels either way
  std::minstd_rand random(1);
  Pixels out = room(image, m);
  std::uint8_t* next = out.values.data();
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      const int from_x = std::clamp(x - m.left, 0, image.width - 1), from_y = std::clamp(y - m.top, 0, image.height - 1);
      const int distance = std::max(std::abs(x - m.left - from_x), std::abs(y - m.top - from_y));
      const int noise = std::min(kNoisePerPixel * distance, kMostNoise);
      const std::uint8_t* from = image.row(from_y) + static_cast<std::size_t>(from_x) * static_cast<std::size_t>(image.channels);
      for (int c = 0; c < image.channels; ++c) {
        const int roughness = noise == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(2 * noise + 1)) - noise;
        *next++ = static_cast<std::uint8_t>(std::clamp(from[c] + roughness, 0, 255));
      }
    }
  return out;
}

Pixels extended_mask(const PixelView& mask, const Margins& m) {
  IMPASTO_CHECK(mask.channels == 1);
  Pixels out = room(mask, m);
  std::fill(out.values.begin(), out.values.end(), std::uint8_t{255});
  paste(out, mask, m.left, m.top);
  return out;
}

}  // namespace impasto
