// Prompt, picture and mask in; picture with the masked part anew out.
#pragma once

#include "impasto/pipeline.h"
#include "pipelines/networks.h"

namespace impasto {

/// See Pipeline::inpaint.
TextToImageResult inpaint(const Networks& networks, const InpaintOptions& options);

}  // namespace impasto
