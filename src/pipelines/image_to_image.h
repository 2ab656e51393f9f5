// Prompt and picture in, picture out.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/networks.h"

namespace impasto {

/// See Pipeline::image_to_image.
TextToImageResult image_to_image(const Networks& networks, const ImageToImageOptions& options);

}  // namespace impasto
