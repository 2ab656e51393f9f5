#include "pipelines/diagnose.h"

#include <cmath>

#include "core/fail.h"
#include "ops/ops.h"

namespace impasto {
namespace {

bool finite_16(const TensorView& view, std::uint16_t exponent_mask) {
  for (std::int64_t i = 0; i < view.count(); ++i)
    if ((view.as<std::uint16_t>()[i] & exponent_mask) == exponent_mask) return false;
  return true;
}

bool finite_stored(const TensorView& view) {
  if (view.dtype == DType::float16) return finite_16(view, 0x7C00);
  if (view.dtype == DType::bfloat16) return finite_16(view, 0x7F80);
  if (view.dtype != DType::float32) return true;
  for (std::int64_t i = 0; i < view.count(); ++i)
    if (!std::isfinite(view.as<float>()[i])) return false;
  return true;
}

/// " (tensor NAME in FILE holds NaN or infinity)" for the first such tensor, or nothing.
std::string blame(const WeightReader& weights) {
  for (const std::string& name : weights.names())
    if (!finite_stored(weights.find(name)))
      return concat("; the checkpoint is damaged: tensor ", name, " in ", weights.where(), " holds NaN or infinity");
  return {};
}

std::string listed(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + path;
  return text;
}

}  // namespace

void require_finite(const Tensor& latents, int step, const Networks& net) {
  if (ops::is_finite(latents)) return;
  const Checkpoint& c = net.checkpoint;
  std::string reason;
  for (const TextPart& text : c.texts)
    if (reason.empty()) reason = blame(*text.weights);
  if (reason.empty()) reason = blame(*c.unet_weights);
  if (reason.empty()) {
    reason = "; all weights are finite: ";
    if (!net.lora_paths.empty())
      reason = concat("; the checkpoint's weights are finite: smaller scales of the adapters (", listed(net.lora_paths), "), or ");
    reason += latents.backend().factor_type() == DType::float16 ? "dtype bfloat16, or float32 on a CPU, may help, whose range is wider than float16's"
                                                                : "a smaller guidance_scale or another scheduler may help";
  }
  fail(ErrorKind::non_finite, "the latents hold NaN or infinity after step ", step + 1, reason);
}

void require_finite_picture(const Tensor& pixels, const VaeConfig& vae, const Checkpoint& c) {
  if (ops::is_finite(pixels)) return;
  std::string reason = blame(&vae == &c.vae ? *c.vae_weights : *c.preview_vae_weights);
  if (reason.empty())
    reason = concat("; all weights are finite: its activations leave the range of ", to_string(pixels.backend().factor_type()),
                    ", and dtype vae=bfloat16 on a GPU, or vae=float32 on a CPU, may help");
  fail(ErrorKind::non_finite, "the VAE made a picture with NaN or infinity of finite latents", reason);
}

}  // namespace impasto
