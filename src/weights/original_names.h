// The names that tensors have in the files of the first Stable Diffusion releases ("original layout"), and ours beside them. Names nest, so
// a table pairs beginnings of names: what follows is the same in both.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace impasto {

struct Renaming {
  std::string_view original, ours;
};

/// Of the whole UNet. Its blocks are counted through in the original ("input_blocks.4.0"): see UnetBlocks in original_layout.cc.
inline constexpr Renaming kUnetNames[] = {
    {"time_embed.0.", "time_embedding.linear_1."},
    {"time_embed.2.", "time_embedding.linear_2."},
    {"time_embed.cond_proj.", "time_embedding.cond_proj."},
    {"label_emb.0.0.", "add_embedding.linear_1."},
    {"label_emb.0.2.", "add_embedding.linear_2."},
    {"input_blocks.0.0.", "conv_in."},
    {"out.0.", "conv_norm_out."},
    {"out.2.", "conv_out."},
};

/// Of what a ControlNet has beside the UNet's half; its blocks are the UNet's. "zero_convs.3.0." is "controlnet_down_blocks.3.".
inline constexpr Renaming kControlNetNames[] = {
    {"input_hint_block.0.", "controlnet_cond_embedding.conv_in."},
    {"input_hint_block.2.", "controlnet_cond_embedding.blocks.0."},
    {"input_hint_block.4.", "controlnet_cond_embedding.blocks.1."},
    {"input_hint_block.6.", "controlnet_cond_embedding.blocks.2."},
    {"input_hint_block.8.", "controlnet_cond_embedding.blocks.3."},
    {"input_hint_block.10.", "controlnet_cond_embedding.blocks.4."},
    {"input_hint_block.12.", "controlnet_cond_embedding.blocks.5."},
    {"input_hint_block.14.", "controlnet_cond_embedding.conv_out."},
    {"middle_block_out.0.", "controlnet_mid_block."},
};

/// Of a resnet in the UNet; attentions have the same names in both layouts.
inline constexpr Renaming kUnetResnetNames[] = {
    {"in_layers.0.", "norm1."},  {"in_layers.2.", "conv1."},  {"emb_layers.1.", "time_emb_proj."},
    {"out_layers.0.", "norm2."}, {"out_layers.3.", "conv2."}, {"skip_connection.", "conv_shortcut."},
};

/// Of the VAE's encoder and of its decoder.
inline constexpr Renaming kVaeNames[] = {
    {"mid.block_1.", "mid_block.resnets.0."},
    {"mid.block_2.", "mid_block.resnets.1."},
    {"mid.attn_1.norm.", "mid_block.attentions.0.group_norm."},
    {"mid.attn_1.q.", "mid_block.attentions.0.to_q."},
    {"mid.attn_1.k.", "mid_block.attentions.0.to_k."},
    {"mid.attn_1.v.", "mid_block.attentions.0.to_v."},
    {"mid.attn_1.proj_out.", "mid_block.attentions.0.to_out.0."},
    {"norm_out.", "conv_norm_out."},
};

/// Of a resnet in the VAE.
inline constexpr Renaming kVaeResnetNames[] = {{"nin_shortcut.", "conv_shortcut."}};

/// Of OpenCLIP's text encoder.
inline constexpr Renaming kOpenClipNames[] = {
    {"positional_embedding", "embeddings.position_embedding.weight"},
    {"token_embedding.", "embeddings.token_embedding."},
    {"ln_final.", "final_layer_norm."},
};

/// Of a layer in it. "attn.in_proj_weight" and "attn.in_proj_bias" hold those of self_attn.q_proj, k_proj and v_proj one after the other.
inline constexpr Renaming kOpenClipLayerNames[] = {
    {"ln_1.", "layer_norm1."},
    {"ln_2.", "layer_norm2."},
    {"mlp.c_fc.", "mlp.fc1."},
    {"mlp.c_proj.", "mlp.fc2."},
    {"attn.out_proj.", "self_attn.out_proj."},
};
/// Of a text encoder with a projection: a matrix that OpenCLIP multiplies by from the right, ours from the left, so that it is transposed.
inline constexpr std::string_view kOpenClipProjection = "text_projection", kProjection = "text_projection.weight";
inline constexpr std::string_view kOpenClipFused = "attn.in_proj_";
inline constexpr std::string_view kAttentionInputs[] = {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."};

/// The name with its beginning replaced as the table says; nothing when no entry fits.
std::optional<std::string> to_ours(std::span<const Renaming> table, std::string_view original);
std::optional<std::string> to_original(std::span<const Renaming> table, std::string_view ours);

/// Reads a name piece by piece from its front.
class NameReader {
 public:
  explicit NameReader(std::string_view name) : rest_(name) {}

  /// True, and past it, when the rest begins with `text`.
  bool take(std::string_view text);
  /// Takes a number of at most three digits and the dot after it; false, and nowhere else, when there is none.
  bool take_number(int& number);
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace impasto
