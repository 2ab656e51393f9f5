// What the names of an adapter file's tensors mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace impasto {

enum class AdaptedNetwork { unet, text_encoder, text_encoder_2 };

inline const char* to_string(AdaptedNetwork network) {
  return network == AdaptedNetwork::unet ? "unet" : network == AdaptedNetwork::text_encoder ? "text_encoder" : "text_encoder_2";
}

/// "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight" is {unet, "mid_block_attentions_0_proj_in", "down"}.
struct LoraName {
  AdaptedNetwork network = AdaptedNetwork::unet;
  std::string module;  ///< as flattened() gives it
  std::string part;    ///< "down", "up", "mid", "alpha", "dora_scale", "magnitude", "diff", "diff_b", "hada_w1_a", "lokr_w1", ...
};

/// Reads kohya-ss's and LyCORIS's names, PEFT's, and those that diffusers wrote before it had PEFT. Nothing for any other name.
std::optional<LoraName> parse_lora_name(std::string_view tensor);

/// A module's path in the form that all of them can be brought to: dots become underscores, and the text encoder's "text_model." goes.
std::string flattened(std::string_view module);

}  // namespace impasto
