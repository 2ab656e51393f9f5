#include "weights/names.h"

#include <array>

namespace impasto {
namespace {

struct Renaming {
  std::string_view ours, published;
};

// The attention of the VAE's middle block, in the files published with SD 1.x (diffusers before 0.14). The UNet has modules of the same
// names: one level deeper there, and never renamed.
constexpr std::array kVaeAttention{Renaming{"to_q", "query"}, Renaming{"to_k", "key"}, Renaming{"to_v", "value"}, Renaming{"to_out.0", "proj_attn"}};
constexpr std::string_view kVaeAttentionPath = ".mid_block.attentions.";

// Roots of the text encoder, which transformers before 5 saved below "text_model.".
constexpr std::array<std::string_view, 3> kTextRoots{"embeddings.", "encoder.layers.", "final_layer_norm."};

void add_text_name(std::string_view name, std::vector<std::string>& names) {
  for (const std::string_view root : kTextRoots)
    if (name.starts_with(root)) names.push_back("text_model." + std::string(name));
}

// "decoder.mid_block.attentions.0.to_q.weight": the module's name stands after the block's number.
void add_vae_name(std::string_view name, std::vector<std::string>& names) {
  const auto path = name.find(kVaeAttentionPath);
  if (path == name.npos || (!name.starts_with("encoder.") && !name.starts_with("decoder."))) return;
  const auto number = path + kVaeAttentionPath.size();
  const auto dot = name.find('.', number);
  if (dot == name.npos) return;
  const std::string_view before = name.substr(0, dot + 1), module = name.substr(dot + 1);
  for (const auto& [ours, published] : kVaeAttention)
    if (module.size() > ours.size() && module.starts_with(ours) && module[ours.size()] == '.')
      names.push_back(std::string(before) + std::string(published) + std::string(module.substr(ours.size())));
}

}  // namespace

std::vector<std::string> published_names(std::string_view name) {
  std::vector<std::string> names{std::string(name)};
  add_text_name(name, names);
  add_vae_name(name, names);
  return names;
}

}  // namespace impasto
