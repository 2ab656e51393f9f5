#include "pipelines/clip_pixels.h"

namespace impasto {

std::vector<float> clip_pixels(const Image& image, std::int64_t side) {
  constexpr float kMean[] = {0.48145466f, 0.4578275f, 0.40821073f}, kDeviation[] = {0.26862954f, 0.26130258f, 0.27577711f};
  const auto s = static_cast<int>(side);
  const bool wide = image.width >= image.height;
  const auto longer = [&](int shorter_side, int longer_side) { return static_cast<int>(static_cast<double>(s) * longer_side / shorter_side); };
  const Image small =
      resize(image, wide ? longer(image.height, image.width) : s, wide ? s : longer(image.width, image.height), ResizeFilter::bicubic);
  const int left = (small.width - s) / 2, top = (small.height - s) / 2;
  std::vector<float> pixels(static_cast<std::size_t>(3 * side * side));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < s; ++y)
      for (int x = 0; x < s; ++x) {
        const std::uint8_t value = small.pixels[static_cast<std::size_t>(((top + y) * small.width + left + x) * 3 + c)];
        pixels[static_cast<std::size_t>((c * s + y) * s + x)] = (static_cast<float>(value) * (1 / 255.0f) - kMean[c]) / kDeviation[c];
      }
  return pixels;
}

}  // namespace impasto
