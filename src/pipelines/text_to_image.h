// Prompt in, picture out.
#pragma once

#include "impasto/pipeline.h"
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "pipelines/checkpoint.h"
#include "tokenizers/clip_tokenizer.h"

namespace impasto {

/// A checkpoint's networks on their backend.
struct Networks {
  Checkpoint checkpoint;
  Backend& backend;
  ClipTokenizer tokenizer;
  ClipText text_encoder;
  UNet unet;
  VaeDecoder vae_decoder;
};

/// See Pipeline::text_to_image.
TextToImageResult text_to_image(const Networks& networks, const TextToImageOptions& options);

}  // namespace impasto
