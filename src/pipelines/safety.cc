#include "pipelines/safety.h"

#include <algorithm>

#include "core/fail.h"
#include "pipelines/clip_pixels.h"

namespace impasto {
namespace {

/// Colours in a few blotches: what was there cannot be made out again.
Image blurred(const Image& image) {
  constexpr int kBlotches = 8;  // along the longer side
  const int longer = std::max(image.width, image.height);
  const auto few = [&](int side) { return std::max(1, side * kBlotches / longer); };
  return resize(resize(image, few(image.width), few(image.height), ResizeFilter::bilinear), image.width, image.height, ResizeFilter::bilinear);
}

void treat(TextToImageResult& result, std::size_t i, SafetyPolicy policy) {
  Image& image = result.images[i];
  if (policy == SafetyPolicy::blur) image = blurred(image);
  if (policy == SafetyPolicy::black) std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{0});
  if (policy != SafetyPolicy::flag) result.latents = {};
  result.warnings.push_back(concat("picture ", i + 1, " of ", result.images.size(), " (seed ", result.seeds.at(i),
                                   ") was flagged by the model's safety checker",
                                   policy == SafetyPolicy::blur    ? " and blurred"
                                   : policy == SafetyPolicy::black ? " and made black"
                                                                   : ""));
}

}  // namespace

void require_safety_checker(const Checkpoint& c) {
  if (c.safety_checker) return;
  fail(ErrorKind::invalid_argument, c.info.path,
       c.has_safety_checker ? ": the model's safety checker is not here: it is not downloaded unless it is asked for"
                            : ": the model has no safety checker",
       "; name a folder that has one (ModelParts::safety_checker, --safety-checker DIR), or leave safety off");
}

TextToImageResult made_safe(const Networks& net, SafetyPolicy policy, TextToImageResult result) {
  if (policy == SafetyPolicy::off || result.images.empty()) return result;
  const auto checker = net.safety_checker->get();
  for (std::size_t i = 0; i < result.images.size(); ++i) {
    result.flagged.push_back(checker->score(clip_pixels(result.images[i], checker->side())).flagged());
    if (result.flagged.back()) treat(result, i, policy);
  }
  return result;
}

}  // namespace impasto
