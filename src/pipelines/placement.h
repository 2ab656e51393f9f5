// Which networks compute where.
#pragma once

#include "backend/backend.h"
#include "impasto/pipeline.h"

namespace impasto {

struct Placement {
  Backend& unet;  ///< and the ControlNets; latents are here, too
  Backend& text_encoder;
  Backend& vae;  ///< and the safety checker

  /// Whether every network is on a device with memory of its own.
  bool off_the_host() const { return !unet.shares_host_memory() && !text_encoder.shares_host_memory() && !vae.shares_host_memory(); }
};

/// LoadOptions::device and dtype; sets the number of threads. Throws unsupported, invalid_argument.
Placement placement(const LoadOptions& options);
/// The same where there is one network to be placed, or one device asked for.
Backend& chosen_backend(const LoadOptions& options);

}  // namespace impasto
