#include "weights/original_writer.h"

#include <algorithm>
#include <map>
#include <set>

#include "weights/original_names.h"

namespace impasto {
namespace {

using Names = std::vector<std::string>;
using Name = std::optional<std::string>;

std::string dotted(std::string_view before, int n, std::string_view after) {
  return std::string(before) + std::to_string(n) + "." + std::string(after);
}

/// The original counts all layers of a side through.
class UnetNumbers {
 public:
  explicit UnetNumbers(const Names& names) {
    for (const std::string& name : names) {
      NameReader reader(name);
      const bool up = reader.take("up_blocks.");
      int block = 0, layer = 0;
      if ((!up && !reader.take("down_blocks.")) || !reader.take_number(block)) continue;
      if (up && reader.rest().starts_with("attentions.")) attending_up_.insert(block);
      int& resnets = (up ? up_ : down_)[block];
      if (reader.take("resnets.") && reader.take_number(layer)) resnets = std::max(resnets, layer + 1);
    }
  }

  Name original(std::string_view name) const {
    if (auto top = to_original(kUnetNames, name)) return top;
    NameReader reader(name);
    int block = 0, layer = 0;
    if (reader.take("mid_block.resnets.") && reader.take_number(layer)) return resnet(dotted("middle_block.", 2 * layer, ""), reader.rest());
    if (reader.take("mid_block.attentions.0.")) return "middle_block.1." + std::string(reader.rest());
    const bool up = reader.take("up_blocks.");
    if ((!up && !reader.take("down_blocks.")) || !reader.take_number(block)) return std::nullopt;
    const std::string side = up ? "output_blocks." : "input_blocks.";
    const int first = up ? count_before(up_, block, 0) : 1 + count_before(down_, block, 1);
    if (reader.take("resnets.") && reader.take_number(layer)) return resnet(dotted(side, first + layer, "0."), reader.rest());
    if (reader.take("attentions.") && reader.take_number(layer)) return dotted(side, first + layer, "1.") + std::string(reader.rest());
    if (!up && reader.take("downsamplers.0.conv.")) return dotted(side, first + down_.at(block), "0.op.") + std::string(reader.rest());
    if (up && reader.take("upsamplers.0.")) {
      const char* part = attending_up_.contains(block) ? "2." : "1.";
      return dotted(side, first + up_.at(block) - 1, part) + std::string(reader.rest());
    }
    return std::nullopt;
  }

 private:
  static Name resnet(const std::string& before, std::string_view rest) {
    const auto inner = to_original(kUnetResnetNames, rest);
    return inner ? Name(before + *inner) : std::nullopt;
  }

  static int count_before(const std::map<int, int>& resnets, int block, int samplers) {
    int n = 0;
    for (const auto& [b, count] : resnets)
      if (b < block) n += count + samplers;
    return n;
  }

  std::map<int, int> down_, up_;  // resnets, by block
  std::set<int> attending_up_;
};

/// Of one side of the VAE.
Name vae_inner(std::string_view name, int levels) {
  if (auto fixed = to_original(kVaeNames, name)) return fixed;
  NameReader reader(name);
  const bool up = reader.take("up_blocks.");
  int block = 0, layer = 0;
  if (!up && !reader.take("down_blocks.")) return std::string(name);
  if (!reader.take_number(block)) return std::nullopt;
  const std::string before = up ? dotted("up.", levels - 1 - block, "") : dotted("down.", block, "");
  if (reader.take("downsamplers.0.")) return before + "downsample." + std::string(reader.rest());
  if (reader.take("upsamplers.0.")) return before + "upsample." + std::string(reader.rest());
  if (!reader.take("resnets.") || !reader.take_number(layer)) return std::nullopt;
  return dotted(before + "block.", layer, to_original(kVaeResnetNames, reader.rest()).value_or(std::string(reader.rest())));
}

Name vae_name(std::string_view name, int levels) {
  for (const std::string_view side : {"encoder.", "decoder."})
    if (name.starts_with(side)) {
      const Name inner = vae_inner(name.substr(side.size()), levels);
      return inner ? Name(std::string(side) + *inner) : std::nullopt;
    }
  return std::string(name);
}

void add(std::vector<OriginalTensor>& all, const char* prefix, const Name& name, const std::string& ours) {
  if (name) all.push_back({prefix + *name, {ours}});
}

/// In a layer of OpenCLIP's.
void add_open_clip_layer(std::vector<OriginalTensor>& all, const std::string& prefix, const std::string& layer, std::string_view rest) {
  if (rest.starts_with(kAttentionInputs[0])) {
    const std::string_view leaf = rest.substr(kAttentionInputs[0].size());
    OriginalTensor fused{prefix + std::string(kOpenClipFused) + std::string(leaf), {}};
    for (const std::string_view input : kAttentionInputs) fused.parts.push_back(layer + std::string(input) + std::string(leaf));
    all.push_back(std::move(fused));
  } else if (const auto inner = to_original(kOpenClipLayerNames, rest)) {
    all.push_back({prefix + *inner, {layer + std::string(rest)}});
  }
}

}  // namespace

std::vector<OriginalTensor> original_unet(const Names& ours) {
  const UnetNumbers numbers(ours);
  std::vector<OriginalTensor> all;
  for (const std::string& name : ours) add(all, "model.diffusion_model.", numbers.original(name), name);
  return all;
}

std::vector<OriginalTensor> original_vae(const Names& ours) {
  int levels = 0;
  for (const std::string& name : ours) {
    NameReader reader(name);
    int block = 0;
    if (reader.take("decoder.up_blocks.") && reader.take_number(block)) levels = std::max(levels, block + 1);
  }
  std::vector<OriginalTensor> all;
  for (const std::string& name : ours) add(all, "first_stage_model.", vae_name(name, levels), name);
  return all;
}

std::vector<OriginalTensor> original_clip(const Names& ours, const std::string& prefix) {
  std::vector<OriginalTensor> all;
  for (const std::string& name : ours) add(all, (prefix + "text_model.").c_str(), name, name);
  return all;
}

std::vector<OriginalTensor> original_open_clip(const Names& ours, const std::string& prefix) {
  std::vector<OriginalTensor> all;
  for (const std::string& name : ours) {
    NameReader reader(name);
    int layer = 0;
    if (reader.take("encoder.layers.") && reader.take_number(layer))
      add_open_clip_layer(all, dotted(prefix + "transformer.resblocks.", layer, ""), dotted("encoder.layers.", layer, ""), reader.rest());
    else if (name == kProjection)
      all.push_back({prefix + std::string(kOpenClipProjection), {name}, /*transposed=*/true});
    else
      add(all, prefix.c_str(), to_original(kOpenClipNames, name), name);
  }
  return all;
}

}  // namespace impasto
