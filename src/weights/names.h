// One table from every published naming of the same tensor to ours (today's diffusers and transformers names).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impasto {

/// Names to try for a tensor of ours, the best first: "...attentions.0.to_q.weight" is "...attentions.0.query.weight" in the VAEs that
/// were published with SD 1.x, "encoder.layers.0..." is "text_model.encoder.layers.0..." in CLIP files before transformers 5.
std::vector<std::string> published_names(std::string_view name);

/// The way back for a tensor of a component ("unet", "vae", "text_encoder"): ours for a published name; nothing for what is no weight of
/// that network (position ids, a projection that nobody runs).
std::optional<std::string> our_name(std::string_view component, std::string_view published);

}  // namespace impasto
