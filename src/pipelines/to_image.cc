#include "pipelines/to_image.h"

#include <algorithm>

#include "ops/ops.h"

namespace impasto {

Image to_image(const Tensor& pixels) {
  IMPASTO_CHECK(pixels.shape().rank() == 4 && pixels.dim(0) == 1 && pixels.dim(3) == 3);
  return {static_cast<int>(pixels.dim(2)), static_cast<int>(pixels.dim(1)), ops::to_bytes(pixels)};
}

Tensor to_tensor(const Image& image, Backend& backend) {
  std::vector<float> values(image.pixels.size());
  std::transform(image.pixels.begin(), image.pixels.end(), values.begin(), [](std::uint8_t x) { return 2 * (static_cast<float>(x) / 255) - 1; });
  return Tensor::from_host(backend, {1, image.height, image.width, 3}, values.data());
}

}  // namespace impasto
