// A loaded checkpoint.
#pragma once

#include <memory>
#include <mutex>

#include "impasto/pipeline.h"
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "pipelines/checkpoint.h"
#include "tokenizers/clip_tokenizer.h"

namespace impasto {

/// The half of the VAE that drawing from text does not need, built when it is first asked for. Safe for several threads.
class LateVaeEncoder {
 public:
  LateVaeEncoder(const VaeConfig& config, std::shared_ptr<const WeightReader> weights, Backend& backend)
      : state_(new State{config, std::move(weights), backend}) {}

  /// Throws bad_file when the checkpoint lacks it.
  const VaeEncoder& get() const {
    const std::lock_guard lock(state_->mutex);
    if (!state_->encoder) state_->encoder = std::make_unique<const VaeEncoder>(state_->config, state_->weights, state_->backend);
    return *state_->encoder;
  }

 private:
  struct State {
    VaeConfig config;
    std::shared_ptr<const WeightReader> weights;
    Backend& backend;
    std::mutex mutex = {};
    std::unique_ptr<const VaeEncoder> encoder = {};
  };
  std::unique_ptr<State> state_;
};

/// A checkpoint's networks on their backend.
struct Networks {
  Checkpoint checkpoint;
  Backend& backend;
  ClipTokenizer tokenizer;
  ClipText text_encoder;
  UNet unet;
  VaeDecoder vae_decoder;
  LateVaeEncoder vae_encoder;
};

/// The backend that the options name; sets the number of threads. Throws unsupported, invalid_argument.
Backend& chosen_backend(const LoadOptions& options);

/// See Pipeline::load.
Networks load_networks(const std::string& path, const LoadOptions& options, Backend& backend);

}  // namespace impasto
