// Golden cases of whole pipelines: their settings as options, and what their results are held against.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "impasto/pipeline.h"
#include "support/golden.h"

namespace impasto::test {

template <typename T>
T setting(const GoldenCase& golden, const char* key, T fallback) {
  const Json& s = golden.settings();
  return s.contains(key) && !s.at(key).is_null() ? s.at(key).get<T>() : fallback;
}

inline MicroConditions micro_conditions_of(const GoldenCase& golden, const std::string& prefix) {
  MicroConditions m;
  const auto pair = [&](const char* key) { return setting<std::vector<int>>(golden, (prefix + key).c_str(), {}); };
  if (const auto size = pair("original_size"); !size.empty()) m.original_size = PictureSize{size[0], size[1]};
  if (const auto corner = pair("crops_coords_top_left"); !corner.empty()) m.crops_coords_top_left = PicturePoint{corner[0], corner[1]};
  if (const auto size = pair("target_size"); !size.empty()) m.target_size = PictureSize{size[0], size[1]};
  return m;
}

template <typename Options>
Options options_of(const GoldenCase& golden) {
  Options o;
  o.prompt = setting<std::string>(golden, "prompt", "");
  o.negative_prompt = setting<std::string>(golden, "negative_prompt", "");
  o.num_inference_steps = setting(golden, "num_inference_steps", 50);
  o.guidance_scale = setting(golden, "guidance_scale", 7.5f);
  o.guidance_rescale = setting(golden, "guidance_rescale", o.guidance_rescale);
  o.eta = setting(golden, "eta", o.eta);
  o.height = setting(golden, "height", 0);
  o.width = setting(golden, "width", 0);
  o.num_images = setting(golden, "num_images_per_prompt", 1);
  o.clip_skip = setting(golden, "clip_skip", 0);
  o.prompt_2 = setting<std::string>(golden, "prompt_2", "");
  o.negative_prompt_2 = setting<std::string>(golden, "negative_prompt_2", "");
  o.micro_conditions = micro_conditions_of(golden, "");
  o.negative_micro_conditions = micro_conditions_of(golden, "negative_");
  o.aesthetic_score = setting(golden, "aesthetic_score", o.aesthetic_score);
  o.negative_aesthetic_score = setting(golden, "negative_aesthetic_score", o.negative_aesthetic_score);
  o.seed = golden.settings().at("seed").get<std::uint64_t>();
  o.shared_generator = !golden.settings().contains("generators");
  const Json& scheduler = golden.settings().at("scheduler");
  o.scheduler = scheduler.at("_class_name");
  if (scheduler.contains("use_karras_sigmas")) o.use_karras_sigmas = scheduler.at("use_karras_sigmas").get<bool>();
  if (scheduler.value("timestep_spacing", "") == "trailing") o.schedule = "trailing";
  return o;
}

/// A picture [h, w, 3], or a mask [h, w] as a grey picture.
inline Image image_of(const GoldenCase& golden, const std::string& name) {
  const Shape shape = golden.shape(name);
  Image image{static_cast<int>(shape[1]), static_cast<int>(shape[0]), golden.bytes(name)};
  if (shape.rank() == 3) return image;
  std::vector<std::uint8_t> grey;
  for (const std::uint8_t value : image.pixels) grey.insert(grey.end(), 3, value);
  image.pixels = grey;
  return image;
}

/// Share of values that differ by at most 1.
inline double close_share(const std::vector<std::uint8_t>& expected, const std::vector<Image>& images) {
  std::size_t close = 0, i = 0;
  for (const Image& image : images)
    for (const std::uint8_t value : image.pixels) close += std::abs(value - expected.at(i++)) <= 1;
  return static_cast<double>(close) / static_cast<double>(expected.size());
}

/// Latents within the case's tolerance, and 99.9 % of the pixels within 1 where the case has a picture.
inline void expect_result(const GoldenCase& golden, const TextToImageResult& result) {
  const std::vector<float>& latents = result.latents.values;
  EXPECT_TRUE(golden.matches("latents", latents.data(), static_cast<std::int64_t>(latents.size())));
  if (!golden.has("picture")) return;
  EXPECT_GE(close_share(golden.bytes("picture"), result.images), 0.999) << golden.name();
}

}  // namespace impasto::test
