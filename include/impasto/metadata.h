// The text that A1111 writes into its pictures, so that its users and tools find the settings.
#pragma once

#include <string>

#include "impasto/api.h"
#include "impasto/pipeline.h"

namespace impasto {

/// The value of a PNG's "parameters" chunk for image `index` of a result:
/// "prompt\nNegative prompt: ...\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x512, ...".
IMPASTO_API std::string infotext(const TextToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);
/// With "Denoising strength".
IMPASTO_API std::string infotext(const ImageToImageOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);
/// And with "Mask mode", "Mask blur", "Inpaint area" and "Masked area padding" where they say something.
IMPASTO_API std::string infotext(const InpaintOptions& options, const TextToImageResult& result, const ModelInfo& model, int index);

}  // namespace impasto
