#include "weights/names.h"

#include <algorithm>
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

bool has_root(std::string_view name, std::initializer_list<std::string_view> roots) {
  return std::any_of(roots.begin(), roots.end(), [&](std::string_view root) { return name.starts_with(root); });
}

std::string our_vae_name(std::string_view name) {
  for (const std::string_view side : {"encoder.", "decoder."})
    for (const auto& [ours, published] : kVaeAttention) {
      const std::string path = std::string(side) + "mid_block.attentions.0.", before = path + std::string(published) + ".";
      if (name.starts_with(before)) return path + std::string(ours) + "." + std::string(name.substr(before.size()));
    }
  return std::string(name);
}

}  // namespace

std::optional<std::string> our_name(std::string_view component, std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!plain || (!name.ends_with(".weight") && !name.ends_with(".bias"))) return std::nullopt;
  if (component == "unet") return std::string(name);
  if (component == "vae")
    return has_root(name, {"encoder.", "decoder.", "quant_conv.", "post_quant_conv."}) ? std::optional(our_vae_name(name)) : std::nullopt;
  if (name.starts_with("text_model.")) name.remove_prefix(std::string_view("text_model.").size());
  return has_root(name, {kTextRoots[0], kTextRoots[1], kTextRoots[2]}) || name == "text_projection.weight" ? std::optional(std::string(name))
                                                                                                           : std::nullopt;
}

std::vector<std::string> published_names(std::string_view name) {
  std::vector<std::string> names{std::string(name)};
  add_text_name(name, names);
  add_vae_name(name, names);
  return names;
}

}  // namespace impasto
