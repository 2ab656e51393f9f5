// Which networks a single file holds, whatever naming it uses.
#pragma once

#include "weights/reader.h"

namespace impasto {

/// A file's networks under our names; a map is empty when the file does not hold the network.
struct FileNetworks {
  NameMap text_encoder, text_encoder_2, unet, vae;
  bool open_clip = false;  ///< text_encoder has OpenCLIP's names, as in SD 2.x

  bool empty() const { return text_encoder.empty() && text_encoder_2.empty() && unet.empty() && vae.empty(); }
};

/// Finds the networks of Stable Diffusion 1.x, 2.x and XL: in the original layout, or one alone under original names, today's or transformers'. Other
/// tensors (EMA copies, schedules, position ids) are left out. Throws unsupported, saying what it is, for a file of another kind that is
/// known, and bad_file for two tensors that would be one of ours.
FileNetworks find_networks(const WeightReader& file);

/// A ControlNet's tensors under our names, from the original layout ("control_model.input_blocks...", or without that prefix) or today's; empty for a
/// file of another kind. Throws as find_networks().
NameMap find_control_net(const WeightReader& file);

/// Takes out the text encoder's layers from number `layers` on: what nobody runs.
void keep_layers(NameMap& text_encoder, int layers);

}  // namespace impasto
