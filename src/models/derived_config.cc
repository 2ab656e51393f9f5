#include "models/derived_config.h"

#include <algorithm>

#include "core/fail.h"
#include "core/quote.h"

namespace impasto {
namespace {

constexpr int kMostLevels = 8, kMostLayers = 64;
constexpr std::int64_t kGroups = 32, kHeadColumns = 64;
constexpr std::int64_t kFirstContext = 768;  // of SD 1.x
constexpr int kOpenClipLayers = 23;          // that SD 2.x runs
constexpr std::int64_t kSecondWidth = 1024;  // of SD 2.x's text encoder

/// Shapes by name.
class Shapes {
 public:
  explicit Shapes(const WeightReader& weights) : weights_(weights) {}

  bool has(const std::string& name) const { return weights_.describe(name).has_value(); }

  std::int64_t dim(const std::string& name, int i) const {
    const auto info = weights_.describe(name);
    if (!info) fail(ErrorKind::bad_file, weights_.where(), ": tensor ", in_quotes(name), " is missing");
    if (i >= info->shape.rank() || info->shape[i] < 1)
      fail(ErrorKind::bad_file, weights_.where(), ": tensor ", in_quotes(name), " has shape ", info->shape.to_string(), ", expected more than ", i,
           " dimensions, none of them 0");
    return info->shape[i];
  }

  /// How many of `before`0`after`, `before`1`after`, ... there are in a row.
  int count(const std::string& before, const std::string& after, int most) const {
    int n = 0;
    while (n < most && has(before + std::to_string(n) + after)) ++n;
    return n;
  }

  const std::string where() const { return weights_.where(); }

  [[noreturn]] void fail_unpublished(const char* network, std::int64_t found, const char* what) const {
    fail(ErrorKind::unsupported, where(), ": the ", network, " has ", found, " ", what,
         ", which no published model of Stable Diffusion 1.x, 2.x or XL has, so its shapes alone do not tell how to run it; name a folder with the "
         "model's configs, in the diffusers layout (config: --config DIR), or, for a part of a model, put its config.json beside it");
  }

 private:
  const WeightReader& weights_;
};

void require_groups(const Shapes& shapes, const char* network, const std::vector<std::int64_t>& channels) {
  for (const std::int64_t c : channels)
    if (c % kGroups != 0) shapes.fail_unpublished(network, c, "channels");
}

std::string at(const std::string& before, std::size_t i, const std::string& after) { return before + std::to_string(i) + after; }

/// The first attention's context; 0 when there is none.
std::int64_t context_channels(const Shapes& s, std::size_t levels) {
  for (std::size_t i = 0; i < levels; ++i)
    if (const auto name = at("down_blocks.", i, ".attentions.0.transformer_blocks.0.attn2.to_k.weight"); s.has(name)) return s.dim(name, 1);
  return 0;
}

Json heads_of(const Shapes& s, const std::vector<std::int64_t>& channels, std::int64_t context) {
  if (context == kFirstContext) return 8;
  Json heads = Json::array();
  for (const std::int64_t c : channels) {
    if (c % kHeadColumns != 0) s.fail_unpublished("UNet", c, "channels");
    heads.push_back(c / kHeadColumns);
  }
  return heads;
}

std::vector<std::int64_t> channels_of(const Shapes& s, const std::string& before, const std::string& after) {
  std::vector<std::int64_t> channels;
  const int levels = s.count(before, after, kMostLevels);
  for (int i = 0; i < levels; ++i) channels.push_back(s.dim(at(before, static_cast<std::size_t>(i), after), 0));
  return channels;
}

}  // namespace

JsonObject derived_unet_config(const WeightReader& weights) {
  const Shapes s(weights);
  const auto channels = channels_of(s, "down_blocks.", ".resnets.0.conv1.weight");
  const std::size_t n = channels.size();
  require_groups(s, "UNet", channels);
  const std::int64_t context = context_channels(s, n);
  Json down = Json::array(), up = Json::array(), layers = Json::array();
  Json resnets = Json::array();
  for (std::size_t i = 0; i < n; ++i) {
    const bool attends = s.has(at("down_blocks.", i, ".attentions.0.norm.weight"));
    down.push_back(attends ? "CrossAttnDownBlock2D" : "DownBlock2D");
    up.push_back(s.has(at("up_blocks.", i, ".attentions.0.norm.weight")) ? "CrossAttnUpBlock2D" : "UpBlock2D");
    resnets.push_back(s.count(at("down_blocks.", i, ".resnets."), ".conv1.weight", kMostLayers));
    const std::string attention = attends ? at("down_blocks.", i, ".attentions.0.") : "mid_block.attentions.0.";
    layers.push_back(std::max(1, s.count(attention + "transformer_blocks.", ".norm1.weight", kMostLayers)));
  }
  const bool linear =
      n > 0 && s.has("mid_block.attentions.0.proj_in.weight") && weights.describe("mid_block.attentions.0.proj_in.weight")->shape.rank() == 2;
  JsonObject config{{{"_class_name", "UNet2DConditionModel"},
                     {"in_channels", s.dim("conv_in.weight", 1)},
                     {"out_channels", s.dim("conv_out.weight", 0)},
                     {"block_out_channels", channels},
                     {"down_block_types", down},
                     {"up_block_types", up},
                     {"layers_per_block", resnets},
                     {"transformer_layers_per_block", layers},
                     {"cross_attention_dim", context},
                     {"attention_head_dim", heads_of(s, channels, context)},
                     {"use_linear_projection", linear},
                     {"norm_num_groups", kGroups},
                     {"sample_size", 64}},
                    s.where()};
  if (const std::string guidance = "time_embedding.cond_proj.weight"; s.has(guidance)) config = config.with("time_cond_proj_dim", s.dim(guidance, 1));
  const std::string added = "add_embedding.linear_1.weight";
  if (!s.has(added)) return config;
  return config.with("sample_size", 128)
      .with("addition_embed_type", "text_time")
      .with("addition_time_embed_dim", 256)
      .with("projection_class_embeddings_input_dim", s.dim(added, 1));
}

JsonObject derived_control_net_config(const WeightReader& weights, const JsonObject& unet) {
  const Shapes s(weights);
  const auto channels = channels_of(s, "down_blocks.", ".resnets.0.conv1.weight");
  const std::size_t levels = unet.integers("block_out_channels", {320, 640, 1280, 1280}, 1, 1 << 16).size();
  if (channels.size() != levels)
    fail(ErrorKind::bad_file, s.where(), ": made for another model: it has ", channels.size(), " levels, the UNet ", levels);
  Json down = Json::array(), resnets = Json::array(), hint = {s.dim("controlnet_cond_embedding.conv_in.weight", 0)};
  for (std::size_t i = 0; i < channels.size(); ++i) {
    down.push_back(s.has(at("down_blocks.", i, ".attentions.0.norm.weight")) ? "CrossAttnDownBlock2D" : "DownBlock2D");
    resnets.push_back(s.count(at("down_blocks.", i, ".resnets."), ".conv1.weight", kMostLayers));
  }
  const int widths = s.count("controlnet_cond_embedding.blocks.", ".weight", 2 * kMostLevels) / 2;
  for (int i = 0; i < widths; ++i) hint.push_back(s.dim(at("controlnet_cond_embedding.blocks.", static_cast<std::size_t>(2 * i + 1), ".weight"), 0));
  Json config = unet.value();
  config.update({{"_class_name", "ControlNetModel"},
                 {"time_cond_proj_dim", nullptr},  // ControlNets are not told the guidance scale, whatever the UNet is
                 {"in_channels", s.dim("conv_in.weight", 1)},
                 {"conditioning_channels", s.dim("controlnet_cond_embedding.conv_in.weight", 1)},
                 {"conditioning_embedding_out_channels", hint},
                 {"block_out_channels", channels},
                 {"down_block_types", down},
                 {"layers_per_block", resnets},
                 {"cross_attention_dim", context_channels(s, channels.size())}});
  return {std::move(config), s.where()};
}

JsonObject derived_control_net_config(const WeightReader& weights) {
  const Shapes s(weights);
  const auto channels = channels_of(s, "down_blocks.", ".resnets.0.conv1.weight");
  require_groups(s, "ControlNet", channels);
  const auto projection = weights.describe("mid_block.attentions.0.proj_in.weight");
  const Json unet = {{"block_out_channels", channels},
                     {"attention_head_dim", heads_of(s, channels, context_channels(s, channels.size()))},
                     {"use_linear_projection", projection && projection->shape.rank() == 2},
                     {"norm_num_groups", kGroups}};
  return derived_control_net_config(weights, {unet, s.where()});
}

JsonObject derived_vae_config(const WeightReader& weights, bool xl) {
  const Shapes s(weights);
  const auto channels = channels_of(s, "encoder.down_blocks.", ".resnets.0.conv1.weight");
  require_groups(s, "VAE", channels);
  const std::vector<std::string> down(channels.size(), "DownEncoderBlock2D"), up(channels.size(), "UpDecoderBlock2D");
  return {{{"_class_name", "AutoencoderKL"},
           {"in_channels", s.dim("encoder.conv_in.weight", 1)},
           {"out_channels", s.dim("decoder.conv_out.weight", 0)},
           {"latent_channels", s.dim("decoder.conv_in.weight", 1)},
           {"block_out_channels", channels},
           {"down_block_types", down},
           {"up_block_types", up},
           {"layers_per_block", s.count("encoder.down_blocks.0.resnets.", ".conv1.weight", kMostLayers)},
           {"norm_num_groups", kGroups},
           {"use_quant_conv", s.has("quant_conv.weight")},
           {"use_post_quant_conv", s.has("post_quant_conv.weight")},
           {"sample_size", xl ? 1024 : 512},
           {"scaling_factor", xl ? 0.13025 : 0.18215}},
          s.where()};
}

JsonObject derived_text_encoder_config(const WeightReader& weights, bool open_clip) {
  const Shapes s(weights);
  const std::string tokens = "embeddings.token_embedding.weight";
  const std::int64_t width = s.dim(tokens, 1);
  if (width % kHeadColumns != 0) s.fail_unpublished("text encoder", width, "columns");
  const int layers = s.count("encoder.layers.", ".layer_norm1.weight", 1000);
  const std::string projection = "text_projection.weight";
  const bool projects = s.has(projection);
  return {{{"architectures", {projects ? "CLIPTextModelWithProjection" : "CLIPTextModel"}},
           {"projection_dim", projects ? s.dim(projection, 0) : width},
           {"model_type", "clip_text_model"},
           {"hidden_size", width},
           {"intermediate_size", s.dim("encoder.layers.0.mlp.fc1.weight", 0)},
           {"vocab_size", s.dim(tokens, 0)},
           {"max_position_embeddings", s.dim("embeddings.position_embedding.weight", 0)},
           {"num_attention_heads", width / kHeadColumns},
           {"num_hidden_layers", open_clip && !projects ? std::min(layers, kOpenClipLayers) : layers},
           {"hidden_act", open_clip || projects || width == kSecondWidth ? "gelu" : "quick_gelu"},
           {"layer_norm_eps", 1e-5}},
          s.where()};
}

}  // namespace impasto
