// Prompt in, picture out.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/networks.h"

namespace impasto {

/// See Pipeline::text_to_image.
TextToImageResult text_to_image(const Networks& networks, const TextToImageOptions& options);

}  // namespace impasto
