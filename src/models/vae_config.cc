#include <string>

#include "core/fail.h"
#include "core/quote.h"
#include "models/config_numbers.h"
#include "models/vae.h"

namespace impasto {
namespace {

VaeConfig parse_tiny(const JsonObject& c) {
  VaeConfig out;
  out.tiny = TinyVaeConfig::parse(c);
  out.latent_channels = out.tiny->latent_channels;
  out.channels.assign(out.tiny->decoder_blocks.size(), out.tiny->channels);
  out.scaling_factor = scaling_factor_of(c, 1);
  return out;
}

}  // namespace

VaeConfig VaeConfig::parse(const JsonObject& c) {
  if (c.text("_class_name", "AutoencoderKL") == "AutoencoderTiny") return parse_tiny(c);
  constexpr std::int64_t kMostChannels = 1 << 16;
  const auto require_all = [&](const char* key, const std::string& only, std::size_t n) {
    const auto types = c.texts(key, std::vector<std::string>(n, only));
    if (types != std::vector<std::string>(n, only))
      fail(ErrorKind::unsupported, c.where(), ": \"", key, "\" must be ", n, " times ", only, ", found ", printable(c.value().at(key).dump()));
  };
  VaeConfig out;
  out.channels = c.integers("block_out_channels", {128, 256, 512, 512}, 1, kMostChannels);
  if (out.channels.empty() || out.channels.size() > 8) fail(ErrorKind::bad_file, c.where(), ": \"block_out_channels\" must have 1 to 8 levels");
  require_all("down_block_types", "DownEncoderBlock2D", out.channels.size());
  require_all("up_block_types", "UpDecoderBlock2D", out.channels.size());
  if (c.text("act_fn", "silu") != "silu" || !c.boolean("mid_block_add_attention", true))
    fail(ErrorKind::unsupported, c.where(), ": only \"act_fn\" silu with attention in the middle is supported");
  if (c.has("latents_mean") || c.has("latents_std") || c.number("shift_factor", 0) != 0)
    fail(ErrorKind::unsupported, c.where(), ": latents that are shifted (\"latents_mean\", \"latents_std\", \"shift_factor\") are not supported");
  out.in_channels = c.integer("in_channels", 3, 1, kMostChannels);
  out.out_channels = c.integer("out_channels", 3, 1, kMostChannels);
  out.latent_channels = c.integer("latent_channels", 4, 1, kMostChannels);
  out.resnets = static_cast<int>(c.integer("layers_per_block", 1, 1, 64));
  out.groups = static_cast<int>(c.integer("norm_num_groups", 32, 1, kMostChannels));
  out.sample_size = c.integer("sample_size", 512, 1, 1 << 16);
  out.scaling_factor = scaling_factor_of(c, 0.18215);
  out.quant_conv = c.boolean("use_quant_conv", true);
  out.post_quant_conv = c.boolean("use_post_quant_conv", true);
  out.force_upcast = c.boolean("force_upcast", true);
  for (const std::int64_t channels : out.channels)
    if (channels % out.groups != 0) fail(ErrorKind::bad_file, c.where(), ": ", channels, " channels do not divide into ", out.groups, " groups");
  return out;
}

}  // namespace impasto
