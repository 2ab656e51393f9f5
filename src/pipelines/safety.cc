#include "pipelines/safety.h"

#include <algorithm>

#include "core/fail.h"

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

std::vector<float> clip_pixels(const Image& image, std::int64_t side) {
  constexpr float kMean[] = {0.48145466f, 0.4578275f, 0.40821073f}, kDeviation[] = {0.26862954f, 0.26130258f, 0.27577711f};
  const auto s = static_cast<int>(side);
  const bool wide = image.width >= image.height;
  const auto longer = [&](int shorter_side, int longer_side) { return static_cast<int>(static_cast<double>(s) * longer_side / shorter_side); };
  const Image small =
      resize(image, wide ? longer(image.height, image.width) : s, wide ? s : longer(image.width, image.height), ResizeFilter::bicubic);
  const int left = (small.width - s) / 2, top = (small.height - s) / 2;
  std::vector<float> pixels(static_cast<std::size_t>(3 * side * side));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < s; ++y)
      for (int x = 0; x < s; ++x) {
        const std::uint8_t value = small.pixels[static_cast<std::size_t>(((top + y) * small.width + left + x) * 3 + c)];
        pixels[static_cast<std::size_t>((c * s + y) * s + x)] = (static_cast<float>(value) * (1 / 255.0f) - kMean[c]) / kDeviation[c];
      }
  return pixels;
}

}  // namespace impasto
