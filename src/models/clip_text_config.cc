#include <string>

#include "core/fail.h"
#include "core/quote.h"
#include "models/clip_text.h"

namespace impasto {

ClipTextConfig ClipTextConfig::parse(const JsonObject& c) {
  constexpr std::int64_t kMost = 1 << 20;
  ClipTextConfig out;
  out.hidden_size = c.integer("hidden_size", 512, 1, kMost);
  out.intermediate_size = c.integer("intermediate_size", 2048, 1, kMost);
  out.vocabulary_size = c.integer("vocab_size", 49408, 1, kMost);
  out.max_positions = c.integer("max_position_embeddings", 77, 3, kMost);
  out.heads = static_cast<int>(c.integer("num_attention_heads", 8, 1, kMost));
  out.layers = static_cast<int>(c.integer("num_hidden_layers", 12, 1, 1024));
  out.layer_norm_eps = static_cast<float>(c.number("layer_norm_eps", 1e-5));
  const auto classes = c.texts("architectures", {});
  if (!classes.empty() && classes.front() == "CLIPTextModelWithProjection") out.projection_size = c.integer("projection_dim", 512, 1, kMost);
  const std::string act = c.text("hidden_act", "quick_gelu");
  if (act != "quick_gelu" && act != "gelu")
    fail(ErrorKind::unsupported, c.where(), ": \"hidden_act\" is ", printable(act), "; supported are quick_gelu and gelu");
  out.activation = act == "gelu" ? Activation::gelu : Activation::quick_gelu;
  if (out.hidden_size % out.heads != 0)
    fail(ErrorKind::bad_file, c.where(), ": \"hidden_size\" ", out.hidden_size, " does not divide into ", out.heads, " heads");
  return out;
}

}  // namespace impasto
