#include <string>

#include "core/fail.h"
#include "core/quote.h"
#include "models/clip_layer.h"
#include "models/config_numbers.h"

namespace impasto {

ClipLayerConfig ClipLayerConfig::parse(const JsonObject& c, const ClipLayerConfig& defaults) {
  constexpr std::int64_t kMost = 1 << 20;
  ClipLayerConfig out;
  out.hidden_size = c.integer("hidden_size", defaults.hidden_size, 1, kMost);
  out.intermediate_size = c.integer("intermediate_size", defaults.intermediate_size, 1, kMost);
  out.heads = static_cast<int>(c.integer("num_attention_heads", defaults.heads, 1, kMost));
  out.layer_norm_eps = norm_eps_of(c, "layer_norm_eps", defaults.layer_norm_eps);
  const std::string act = c.text("hidden_act", "quick_gelu");
  if (act != "quick_gelu" && act != "gelu")
    fail(ErrorKind::unsupported, c.where(), ": \"hidden_act\" is ", printable(act), "; supported are quick_gelu and gelu");
  out.activation = act == "gelu" ? Activation::gelu : Activation::quick_gelu;
  if (out.hidden_size % out.heads != 0)
    fail(ErrorKind::bad_file, c.where(), ": \"hidden_size\" ", out.hidden_size, " does not divide into ", out.heads, " heads");
  return out;
}

}  // namespace impasto
