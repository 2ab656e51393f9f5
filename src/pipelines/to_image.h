// From the decoder's numbers to 8-bit pictures, and back.
#pragma once

#include "impasto/image.h"
#include "ops/tensor.h"

namespace impasto {

/// pixels [1, h, w, 3], about -1..1: clamp(x / 2 + 0.5, 0, 1) * 255, rounded half to even, as diffusers' image processor does.
Image to_image(const Tensor& pixels);

/// A picture as the encoder wants it: [1, h, w, 3], x / 255 * 2 - 1.
Tensor to_tensor(const Image& image, Backend& backend);

}  // namespace impasto
