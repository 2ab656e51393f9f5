#include <algorithm>
#include <string>

#include "core/fail.h"
#include "core/quote.h"
#include "models/config_numbers.h"
#include "models/unet.h"

namespace impasto {
namespace {

constexpr std::int64_t kMostChannels = 1 << 16;
constexpr std::int64_t kMostLayers = 64;

/// A field that may be one number for all levels or a list with one for each.
std::vector<std::int64_t> per_level(const JsonObject& config, const char* key, std::int64_t fallback, std::size_t levels, std::int64_t high) {
  if (!config.has(key) || config.value().at(key).is_number()) return std::vector<std::int64_t>(levels, config.integer(key, fallback, 1, high));
  std::vector<std::int64_t> values = config.integers(key, {}, 1, high);
  if (values.size() != levels) fail(ErrorKind::bad_file, config.where(), ": \"", key, "\" has ", values.size(), " entries for ", levels, " levels");
  return values;
}

[[noreturn]] void unsupported(const JsonObject& config, const char* key) {
  fail(ErrorKind::unsupported, config.where(), ": \"", key, "\" = ", printable(config.value().at(key).dump()),
       " is an architecture that is not supported");
}

void require_text(const JsonObject& config, const char* key, const std::string& only) {
  if (config.has(key) && config.text(key, only) != only) unsupported(config, key);
}

void require_absent(const JsonObject& config, const char* key) {
  if (config.has(key)) unsupported(config, key);
}

void require_boolean(const JsonObject& config, const char* key, bool only) {
  if (config.has(key) && config.boolean(key, only) != only) unsupported(config, key);
}

void require_number(const JsonObject& config, const char* key, double only) {
  if (config.has(key) && config.number(key, only) != only) unsupported(config, key);
}

/// Fields of UNet2DConditionModel that other families use and this class does not read.
void refuse_other_families(const JsonObject& c) {
  for (const char* key : {"class_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "num_class_embeds", "time_embedding_act_fn",
                          "time_embedding_dim", "timestep_post_act", "cross_attention_norm", "reverse_transformer_layers_per_block"})
    require_absent(c, key);
  for (const char* key : {"center_input_sample", "dual_cross_attention", "resnet_skip_time_act"}) require_boolean(c, key, false);
  if (c.has("only_cross_attention") && c.value().at("only_cross_attention") != Json(false)) unsupported(c, "only_cross_attention");
  require_text(c, "addition_embed_type", "text_time");
  require_text(c, "act_fn", "silu");
  require_text(c, "mid_block_type", "UNetMidBlock2DCrossAttn");
  require_text(c, "resnet_time_scale_shift", "default");
  require_text(c, "time_embedding_type", "positional");
  require_text(c, "attention_type", "default");
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) require_number(c, key, 3);
  for (const char* key : {"downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"}) require_number(c, key, 1);
}

/// True for attention, false for none.
bool has_attention(const JsonObject& c, const char* key, const std::string& type, const char* with, const char* without) {
  if (type != with && type != without)
    fail(ErrorKind::unsupported, c.where(), ": \"", key, "\" holds ", printable(type), "; supported are ", with, " and ", without);
  return type == with;
}

}  // namespace

UNetConfig UNetConfig::parse(const JsonObject& c) {
  refuse_other_families(c);
  const auto channels = c.integers("block_out_channels", {320, 640, 1280, 1280}, 1, kMostChannels);
  const std::size_t n = channels.size();
  if (n == 0 || n > 8) fail(ErrorKind::bad_file, c.where(), ": \"block_out_channels\" has ", n, " levels, expected 1 to 8");
  const std::string kDown = "CrossAttnDownBlock2D", kUp = "CrossAttnUpBlock2D";
  const auto down = c.texts("down_block_types", {kDown, kDown, kDown, "DownBlock2D"}), up = c.texts("up_block_types", {"UpBlock2D", kUp, kUp, kUp});
  if (down.size() != n || up.size() != n)
    fail(ErrorKind::bad_file, c.where(), ": ", n, " \"block_out_channels\" but ", down.size(), " \"down_block_types\" and ", up.size(),
         " \"up_block_types\"");
  // Published configs call the number of heads attention_head_dim; num_attention_heads is there only in newer ones.
  const auto heads = per_level(c, c.has("num_attention_heads") ? "num_attention_heads" : "attention_head_dim", 8, n, kMostChannels);
  const auto resnets = per_level(c, "layers_per_block", 2, n, kMostLayers);
  const auto transformers = per_level(c, "transformer_layers_per_block", 1, n, kMostLayers);

  UNetConfig out;
  out.in_channels = c.integer("in_channels", 4, 1, kMostChannels);
  out.out_channels = c.integer("out_channels", 4, 1, kMostChannels);
  out.context_channels = c.integer("cross_attention_dim", 1280, 1, kMostChannels);
  out.sample_size = c.integer("sample_size", 64, 1, 4096);
  out.groups = static_cast<int>(c.integer("norm_num_groups", 32, 1, kMostChannels));
  out.norm_eps = norm_eps_of(c, "norm_eps", 1e-5);
  out.flip_sin_to_cos = c.boolean("flip_sin_to_cos", true);
  out.freq_shift = c.number("freq_shift", 0);
  if (c.has("addition_embed_type")) {
    out.added_channels = c.integer("projection_class_embeddings_input_dim", 2816, 1, kMostChannels);
    out.added_id_channels = c.integer("addition_time_embed_dim", 256, 2, kMostChannels);
  }
  if (c.has("time_cond_proj_dim")) out.guidance_channels = c.integer("time_cond_proj_dim", 0, 4, kMostChannels);
  for (std::size_t i = 0; i < n; ++i) {
    UNetLevel level{.channels = channels[i],
                    .resnets = static_cast<int>(resnets[i]),
                    .heads = static_cast<int>(heads[i]),
                    .transformer_layers = static_cast<int>(transformers[i])};
    level.down_attention = has_attention(c, "down_block_types", down[i], "CrossAttnDownBlock2D", "DownBlock2D");
    level.up_attention = has_attention(c, "up_block_types", up[n - 1 - i], "CrossAttnUpBlock2D", "UpBlock2D");
    if (level.channels % out.groups != 0)
      fail(ErrorKind::bad_file, c.where(), ": ", level.channels, " channels do not divide into ", out.groups, " groups");
    if (level.channels % level.heads != 0)
      fail(ErrorKind::bad_file, c.where(), ": ", level.channels, " channels do not divide into ", level.heads, " heads");
    out.levels.push_back(level);
  }
  if (out.added_id_channels % 2 != 0)
    fail(ErrorKind::bad_file, c.where(), ": \"addition_time_embed_dim\" is ", out.added_id_channels, ", which is not even");
  if (channels[0] % 2 != 0 || out.freq_shift >= static_cast<double>(channels[0] / 2))
    fail(ErrorKind::bad_file, c.where(), ": the first of \"block_out_channels\" must be even and more than twice \"freq_shift\"");
  return out;
}

}  // namespace impasto
