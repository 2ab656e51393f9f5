#include "adapters/lora_names.h"

#include <algorithm>
#include <array>

namespace impasto {
namespace {

struct Ending {
  std::string_view ending, part;
};

constexpr std::array kEndings{
    // kohya-ss
    Ending{".lora_down.weight", "down"}, Ending{".lora_up.weight", "up"}, Ending{".lora_mid.weight", "mid"}, Ending{".alpha", "alpha"},
    Ending{".dora_scale", "dora_scale"},
    // PEFT
    Ending{".lora_A.weight", "down"}, Ending{".lora_B.weight", "up"}, Ending{".lora_A.default.weight", "down"},
    Ending{".lora_B.default.weight", "up"}, Ending{".lora_magnitude_vector", "magnitude"}, Ending{".lora_magnitude_vector.weight", "magnitude"},
    // diffusers: a layer's, a text encoder's, an attention processor's
    Ending{".lora.down.weight", "down"}, Ending{".lora.up.weight", "up"}, Ending{".lora_linear_layer.down.weight", "down"},
    Ending{".lora_linear_layer.up.weight", "up"}, Ending{"_lora.down.weight", "down"}, Ending{"_lora.up.weight", "up"},
    // LyCORIS: the whole difference, Hadamard products, Kronecker products
    Ending{".diff", "diff"}, Ending{".diff_b", "diff_b"}, Ending{".hada_w1_a", "hada_w1_a"}, Ending{".hada_w1_b", "hada_w1_b"},
    Ending{".hada_w2_a", "hada_w2_a"}, Ending{".hada_w2_b", "hada_w2_b"}, Ending{".hada_t1", "hada_t1"}, Ending{".hada_t2", "hada_t2"},
    Ending{".lokr_w1", "lokr_w1"}, Ending{".lokr_w1_a", "lokr_w1_a"}, Ending{".lokr_w1_b", "lokr_w1_b"}, Ending{".lokr_w2", "lokr_w2"},
    Ending{".lokr_w2_a", "lokr_w2_a"}, Ending{".lokr_w2_b", "lokr_w2_b"}, Ending{".lokr_t2", "lokr_t2"}};

struct Beginning {
  std::string_view beginning;
  AdaptedNetwork network;
  bool goes;  // it is not part of the module's path
};

constexpr std::array kBeginnings{Beginning{"lora_unet_", AdaptedNetwork::unet, true}, Beginning{"lora_te_", AdaptedNetwork::text_encoder, true},
                                 Beginning{"lora_te1_", AdaptedNetwork::text_encoder, true},
                                 Beginning{"lora_te2_", AdaptedNetwork::text_encoder_2, true},
                                 Beginning{"text_encoder_2.", AdaptedNetwork::text_encoder_2, true}, Beginning{"unet.", AdaptedNetwork::unet, true},
                                 Beginning{"text_encoder.", AdaptedNetwork::text_encoder, true},
                                 // a network's own file
                                 Beginning{"down_blocks.", AdaptedNetwork::unet, false}, Beginning{"mid_block.", AdaptedNetwork::unet, false},
                                 Beginning{"up_blocks.", AdaptedNetwork::unet, false}, Beginning{"text_model.", AdaptedNetwork::text_encoder, false}};

/// "attn1.processor.to_out", as diffusers' attention processors called it, is "attn1.to_out.0".
std::string without_processor(std::string_view module) {
  constexpr std::string_view kProcessor = ".processor.";
  const auto at = module.find(kProcessor);
  if (at == module.npos) return std::string(module);
  std::string plain = std::string(module.substr(0, at)) + "." + std::string(module.substr(at + kProcessor.size()));
  return plain.ends_with(".to_out") ? plain + ".0" : plain;
}

}  // namespace

std::string flattened(std::string_view module) {
  std::string flat(module);
  std::replace(flat.begin(), flat.end(), '.', '_');
  constexpr std::string_view kTextModel = "text_model_";
  return flat.starts_with(kTextModel) ? flat.substr(kTextModel.size()) : flat;
}

std::optional<LoraName> parse_lora_name(std::string_view tensor) {
  constexpr std::string_view kPeft = "base_model.model.";
  if (tensor.starts_with(kPeft)) tensor.remove_prefix(kPeft.size());
  for (const auto& [beginning, network, goes] : kBeginnings) {
    if (!tensor.starts_with(beginning)) continue;
    if (goes) tensor.remove_prefix(beginning.size());
    for (const auto& [ending, part] : kEndings)
      if (tensor.ends_with(ending))
        return LoraName{network, flattened(without_processor(tensor.substr(0, tensor.size() - ending.size()))), std::string(part)};
    break;
  }
  return std::nullopt;
}

}  // namespace impasto
