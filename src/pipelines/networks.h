// A loaded checkpoint.
#pragma once

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

}  // namespace impasto
