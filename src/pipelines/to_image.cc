#include "pipelines/to_image.h"

#include <algorithm>
#include <cmath>

namespace impasto {

Image to_image(const Tensor& pixels) {
  IMPASTO_CHECK(pixels.shape().rank() == 4 && pixels.dim(0) == 1 && pixels.dim(3) == 3);
  const std::vector<float> values = pixels.to_host();
  Image image{static_cast<int>(pixels.dim(2)), static_cast<int>(pixels.dim(1)), std::vector<std::uint8_t>(values.size())};
  std::transform(values.begin(), values.end(), image.pixels.begin(),
                 [](float x) { return static_cast<std::uint8_t>(std::nearbyint(std::clamp(x / 2 + 0.5f, 0.0f, 1.0f) * 255)); });
  return image;
}

Tensor to_tensor(const Image& image, Backend& backend) {
  std::vector<float> values(image.pixels.size());
  std::transform(image.pixels.begin(), image.pixels.end(), values.begin(), [](std::uint8_t x) { return 2 * (static_cast<float>(x) / 255) - 1; });
  return Tensor::from_host(backend, {1, image.height, image.width, 3}, values.data());
}

}  // namespace impasto
