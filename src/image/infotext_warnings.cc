#include "image/infotext_warnings.h"

#include <algorithm>

#include "core/fail.h"

namespace impasto {
namespace {

bool has_any(const Infotext& text, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return !text.value(key).empty(); });
}

/// Values that say that nothing was changed.
bool is_off(const std::string& value) {
  for (const char* off : {"", "False", "false", "None", "none", "0", "0.0", "Use same sampler", "Use same scheduler", "Use same checkpoint"})
    if (value == off) return true;
  return false;
}

}  // namespace

std::vector<std::string> named_again(const Infotext& text, const NamedBeside& beside) {
  const bool two_passes = has_any(text, {"Hires upscale", "Hires resize"});
  const bool masked = has_any(text, {"Mask mode", "Mask blur", "Inpaint area", "Masked area padding", "Keep unmasked"});
  const bool started = masked || has_any(text, {"Image CFG scale"}) || (!two_passes && has_any(text, {"Denoising strength"}));
  std::vector<std::string> warnings;
  if (started && !beside.image)
    warnings.push_back(concat("it was drawn from a picture, ", masked && !beside.mask ? "under a mask, which have" : "which has",
                              " to be named again; else it is drawn from the prompt alone"));
  else if (masked && !beside.mask)
    warnings.push_back("it was painted under a mask, which has to be named again; else the whole picture is painted over");
  if (const std::string refiner = text.value("Refiner"); !refiner.empty() && !beside.refiner)
    warnings.push_back(concat("the model ", refiner, " went on with it from ", text.value("Refiner switch at"), " on; it has to be named again"));
  return warnings;
}

std::vector<std::string> left_out(const Infotext& text) {
  std::vector<std::string> warnings;
  for (const char* key : {"Hires sampler",
                          "Hires schedule type",
                          "Hires checkpoint",
                          "Hires prompt",
                          "Hires negative prompt",
                          "Hires CFG Scale",
                          "Tiling",
                          "Hypernet",
                          "Face restoration",
                          "ENSD",
                          "Eta",
                          "Seed resize from",
                          "Masked content",
                          "Noise multiplier",
                          "Color correction",
                          "NGMS",
                          "Sigma churn",
                          "Sigma tmin",
                          "Sigma tmax",
                          "Sigma noise",
                          "Discard penultimate sigma",
                          "Soft inpainting enabled"})
    if (const std::string value = text.value(key); !is_off(value))
      warnings.push_back(concat("\"", key, ": ", value, "\" is not supported and was left out"));
  return warnings;
}

}  // namespace impasto
