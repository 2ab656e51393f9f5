#include "weights/original_layout.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "core/fail.h"
#include "core/quote.h"
#include "weights/original_names.h"

namespace impasto {
namespace {

using Names = std::vector<std::string>;  // sorted

bool has(const Names& names, const std::string& name) { return std::binary_search(names.begin(), names.end(), name); }

bool has_beginning(const Names& names, std::string_view beginning) {
  const auto place = std::lower_bound(names.begin(), names.end(), beginning);
  return place != names.end() && place->starts_with(beginning);
}

/// Calls f(full name, name without the prefix) for each name that has the prefix.
template <typename F>
void for_each_with(const Names& names, std::string_view prefix, const F& f) {
  for (auto name = std::lower_bound(names.begin(), names.end(), prefix); name != names.end() && name->starts_with(prefix); ++name)
    f(*name, std::string_view(*name).substr(prefix.size()));
}

/// A network's map while it is filled.
class MapBuilder {
 public:
  MapBuilder(NameMap& map, const std::string& where) : map_(map), where_(where) {}

  void add(std::string ours, SourceTensor source) {
    const auto [place, is_new] = map_.try_emplace(std::move(ours), source);
    if (!is_new)
      fail(ErrorKind::bad_file, where_, ": ", in_quotes(place->second.name), " and ", in_quotes(source.name), " are both the tensor ",
           in_quotes(place->first));
  }

 private:
  NameMap& map_;
  const std::string& where_;
};

/// The original counts all layers through: a down-sampler has a number of its own, an up-sampler stands beside the last resnet of its block.
class UnetBlocks {
 public:
  UnetBlocks(const Names& names, std::string_view prefix) {
    for_each_with(names, prefix, [&](const std::string&, std::string_view name) {
      NameReader reader(name);
      int n = 0, part = 0;
      if (reader.take("input_blocks.") && reader.take_number(n) && reader.take("0.op.")) downsamplers_.insert(n);
      if (reader.take("output_blocks.") && reader.take_number(n) && reader.take_number(part) && reader.take("conv.")) upsamplers_.insert(n);
    });
  }

  std::optional<std::string> ours(std::string_view name) const {
    if (auto top = to_ours(kUnetNames, name)) return top;
    NameReader reader(name);
    int n = 0, part = 0;
    if (reader.take("middle_block.") && reader.take_number(n)) return middle(n, reader.rest());
    if (reader.take("input_blocks.") && reader.take_number(n) && n > 0 && reader.take_number(part)) return input(n, part, reader.rest());
    if (reader.take("output_blocks.") && reader.take_number(n) && reader.take_number(part)) return output(n, part, reader.rest());
    return std::nullopt;
  }

 private:
  static std::optional<std::string> layer(const std::string& block, int index, int part, std::string_view rest) {
    if (part > 1) return std::nullopt;
    if (part == 1) return block + "attentions." + std::to_string(index) + "." + std::string(rest);
    const auto inner = to_ours(kUnetResnetNames, rest);
    return inner ? std::optional(block + "resnets." + std::to_string(index) + "." + *inner) : std::nullopt;
  }

  static std::optional<std::string> middle(int n, std::string_view rest) { return n > 2 ? std::nullopt : layer("mid_block.", n / 2, n % 2, rest); }

  std::optional<std::string> input(int n, int part, std::string_view rest) const {
    const auto end = downsamplers_.lower_bound(n);  // of the blocks before
    const std::string block = "down_blocks." + std::to_string(std::distance(downsamplers_.begin(), end)) + ".";
    if (part == 0 && rest.starts_with("op.")) return block + "downsamplers.0.conv." + std::string(rest.substr(3));
    return layer(block, n - 1 - (end == downsamplers_.begin() ? 0 : *std::prev(end)), part, rest);
  }

  std::optional<std::string> output(int n, int part, std::string_view rest) const {
    const auto end = upsamplers_.lower_bound(n);
    const std::string block = "up_blocks." + std::to_string(std::distance(upsamplers_.begin(), end)) + ".";
    if (part > 0 && rest.starts_with("conv.")) return block + "upsamplers.0." + std::string(rest);
    return layer(block, n - (end == upsamplers_.begin() ? 0 : *std::prev(end) + 1), part, rest);
  }

  std::set<int> downsamplers_, upsamplers_;
};

void add_unet(const Names& names, std::string_view prefix, MapBuilder& map) {
  const UnetBlocks blocks(names, prefix);
  for_each_with(names, prefix, [&](const std::string& full, std::string_view name) {
    if (auto ours = blocks.ours(name)) map.add(std::move(*ours), {full});
  });
}

/// Of one side of the VAE. The original counts a decoder's levels from the picture's side.
std::optional<std::string> vae_name(std::string_view name, int decoder_levels) {
  if (auto fixed = to_ours(kVaeNames, name)) return fixed;
  NameReader reader(name);
  int level = 0, index = 0;
  const bool up = reader.take("up.");
  if (!up && !reader.take("down.")) return std::string(name);  // conv_in, conv_out, or a name of today
  if (!reader.take_number(level) || (up && level >= decoder_levels)) return std::nullopt;
  const std::string block = up ? "up_blocks." + std::to_string(decoder_levels - 1 - level) + "." : "down_blocks." + std::to_string(level) + ".";
  if (reader.take("downsample.")) return block + "downsamplers.0." + std::string(reader.rest());
  if (reader.take("upsample.")) return block + "upsamplers.0." + std::string(reader.rest());
  if (!reader.take("block.") || !reader.take_number(index)) return std::nullopt;
  return block + "resnets." + std::to_string(index) + "." + to_ours(kVaeResnetNames, reader.rest()).value_or(std::string(reader.rest()));
}

void add_vae(const Names& names, std::string_view prefix, MapBuilder& map) {
  int levels = 0;
  for_each_with(names, std::string(prefix) + "decoder.up.", [&](const std::string&, std::string_view name) {
    int level = 0;
    if (NameReader(name).take_number(level)) levels = std::max(levels, level + 1);
  });
  for_each_with(names, prefix, [&](const std::string& full, std::string_view name) {
    if (name.starts_with("quant_conv.") || name.starts_with("post_quant_conv.")) map.add(std::string(name), {full});
    for (const std::string_view side : {"encoder.", "decoder."})
      if (name.starts_with(side))
        if (auto inner = vae_name(name.substr(side.size()), levels)) map.add(std::string(side) + *inner, {full});
  });
}

/// transformers' names, with or without "text_model." in front.
void add_clip(const Names& names, std::string_view prefix, MapBuilder& map) {
  for_each_with(names, prefix, [&](const std::string& full, std::string_view name) {
    NameReader reader(name);
    reader.take("text_model.");
    const std::string_view ours = reader.rest();
    const bool weights = ours.ends_with(".weight") || ours.ends_with(".bias");
    for (const std::string_view root : {"embeddings.", "encoder.layers.", "final_layer_norm."})
      if (weights && ours.starts_with(root)) map.add(std::string(ours), {full});
  });
}

void add_open_clip_layer(int layer, std::string_view rest, const std::string& full, MapBuilder& map) {
  const std::string ours = "encoder.layers." + std::to_string(layer) + ".";
  if (rest.starts_with(kOpenClipFused)) {
    int part = 0;
    for (const std::string_view input : kAttentionInputs)
      map.add(ours + std::string(input) + std::string(rest.substr(kOpenClipFused.size())),
              {full, part++, static_cast<int>(std::size(kAttentionInputs))});
  } else if (auto inner = to_ours(kOpenClipLayerNames, rest)) {
    map.add(ours + *inner, {full});
  }
}

void add_open_clip(const Names& names, std::string_view prefix, MapBuilder& map) {
  for_each_with(names, std::string(prefix) + "transformer.resblocks.", [&](const std::string& full, std::string_view name) {
    NameReader reader(name);
    int layer = 0;
    if (reader.take_number(layer)) add_open_clip_layer(layer, reader.rest(), full, map);
  });
  for_each_with(names, prefix, [&](const std::string& full, std::string_view name) {
    if (auto ours = to_ours(kOpenClipNames, name)) map.add(std::move(*ours), {full});
  });
}

/// SDXL's second text encoder, which has a projection.
void add_open_clip_2(const Names& names, std::string_view prefix, MapBuilder& map) {
  add_open_clip(names, prefix, map);
  std::string projection = std::string(prefix) + std::string(kOpenClipProjection);
  if (has(names, projection)) map.add(std::string(kProjection), {std::move(projection), 0, 1, /*transposed=*/true});
}

/// The same under transformers' names.
void add_clip_2(const Names& names, std::string_view prefix, MapBuilder& map) {
  add_clip(names, prefix, map);
  map.add(std::string(kProjection), {std::string(prefix) + std::string(kProjection)});
}

void add_as_it_is(const Names& names, std::string_view prefix, MapBuilder& map) {
  for_each_with(names, prefix, [&](const std::string& full, std::string_view name) { map.add(std::string(name), {full}); });
}

/// Where a network may stand in a file: the first row whose tensor is there counts.
struct Place {
  NameMap FileNetworks::*network;
  std::string_view prefix;
  std::string_view tensor;  // without the prefix
  void (*add)(const Names& names, std::string_view prefix, MapBuilder& map);
};

constexpr Place kPlaces[] = {
    {&FileNetworks::unet, "model.diffusion_model.", "input_blocks.0.0.weight", add_unet},
    {&FileNetworks::unet, "", "input_blocks.0.0.weight", add_unet},
    {&FileNetworks::unet, "", "down_blocks.0.resnets.0.conv1.weight", add_as_it_is},
    {&FileNetworks::vae, "first_stage_model.", "decoder.conv_in.weight", add_vae},
    {&FileNetworks::vae, "vae.", "decoder.conv_in.weight", add_vae},
    {&FileNetworks::vae, "", "decoder.conv_in.weight", add_vae},
    {&FileNetworks::text_encoder, "conditioner.embedders.0.transformer.", "text_model.embeddings.token_embedding.weight", add_clip},
    {&FileNetworks::text_encoder_2, "conditioner.embedders.1.model.", "token_embedding.weight", add_open_clip_2},
    {&FileNetworks::text_encoder_2, "conditioner.embedders.0.model.", "token_embedding.weight", add_open_clip_2},  // the refiner's
    {&FileNetworks::text_encoder_2, "", "text_projection.weight", add_clip_2},
    {&FileNetworks::text_encoder_2, "", "text_projection", add_open_clip_2},
    {&FileNetworks::text_encoder, "cond_stage_model.transformer.", "text_model.embeddings.token_embedding.weight", add_clip},
    {&FileNetworks::text_encoder, "cond_stage_model.transformer.", "embeddings.token_embedding.weight", add_clip},
    {&FileNetworks::text_encoder, "cond_stage_model.model.", "token_embedding.weight", add_open_clip},
    {&FileNetworks::text_encoder, "", "text_model.embeddings.token_embedding.weight", add_clip},
    {&FileNetworks::text_encoder, "", "embeddings.token_embedding.weight", add_clip},
    {&FileNetworks::text_encoder, "", "token_embedding.weight", add_open_clip},
};

/// Files that people take for such a model; told by the beginning of a name.
struct OtherKind {
  std::string_view beginning, what;
};

constexpr OtherKind kOtherKinds[] = {
    {"model.diffusion_model.joint_blocks.", "a Stable Diffusion 3 model"},
    {"joint_blocks.", "a Stable Diffusion 3 model"},
    {"model.diffusion_model.double_blocks.", "a Flux model"},
    {"double_blocks.", "a Flux model"},
    {"control_model.", "a ControlNet"},
    {"controlnet_cond_embedding.", "a ControlNet"},
    {"ip_adapter.", "an IP-Adapter"},
    {"lora_unet_", "a LoRA"},
    {"lora_te_", "a LoRA"},
    {"unet.down_blocks.", "a LoRA"},
    {"emb_params", "a textual inversion"},
    {"string_to_param", "a textual inversion"},
};

}  // namespace

void keep_layers(NameMap& text_encoder, int layers) {
  std::erase_if(text_encoder, [&](const auto& entry) {
    NameReader reader(entry.first);
    int layer = 0;
    return reader.take("encoder.layers.") && reader.take_number(layer) && layer >= layers;
  });
}

NameMap find_control_net(const WeightReader& file) {
  const Names names = file.names();
  const std::string where = file.where();
  NameMap found;
  MapBuilder map(found, where);
  if (has(names, "controlnet_cond_embedding.conv_in.weight")) add_as_it_is(names, "", map);
  for (const std::string prefix : {"control_model.", ""}) {
    if (!found.empty() || !has(names, prefix + "input_hint_block.0.weight")) continue;
    add_unet(names, prefix, map);
    for_each_with(names, prefix, [&](const std::string& full, std::string_view name) {
      NameReader reader(name);
      int n = 0;
      if (auto ours = to_ours(kControlNetNames, name)) map.add(std::move(*ours), {full});
      if (reader.take("zero_convs.") && reader.take_number(n) && reader.take("0."))
        map.add("controlnet_down_blocks." + std::to_string(n) + "." + std::string(reader.rest()), {full});
    });
  }
  return found;
}

FileNetworks find_networks(const WeightReader& file) {
  const Names names = file.names();
  const std::string where = file.where();
  for (const OtherKind& kind : kOtherKinds)
    if (has_beginning(names, kind.beginning))
      fail(ErrorKind::unsupported, where, ": is ", kind.what, " (it holds ", in_quotes(kind.beginning),
           "); as a model, Stable Diffusion 1.x, 2.x and XL are supported");
  FileNetworks found;
  for (const Place& place : kPlaces) {
    NameMap& network = found.*place.network;
    if (!network.empty() || !has(names, std::string(place.prefix) + std::string(place.tensor))) continue;
    MapBuilder map(network, where);
    place.add(names, place.prefix, map);
    if (place.add == add_open_clip && place.network == &FileNetworks::text_encoder) found.open_clip = true;
  }
  return found;
}

}  // namespace impasto
