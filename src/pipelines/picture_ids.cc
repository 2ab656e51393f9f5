#include "pipelines/picture_ids.h"

#include <cmath>

#include "core/fail.h"

namespace impasto {
namespace {

constexpr int kMostPixels = 65536;  // along a side, real or told

std::vector<float> ids(const MicroConditions& m, const TextToImageOptions& o, std::int64_t count, float score) {
  const PictureSize drawn{.height = o.height, .width = o.width}, original = m.original_size.value_or(drawn), target = m.target_size.value_or(drawn);
  const PicturePoint corner = m.crops_coords_top_left.value_or(PicturePoint());
  std::vector<float> all;
  for (const int value : {original.height, original.width, corner.top, corner.left}) all.push_back(static_cast<float>(value));
  if (count == kScoreIds) all.push_back(score);
  if (count == kSizeIds)
    for (const int value : {target.height, target.width}) all.push_back(static_cast<float>(value));
  return all;
}

void check(const std::string& name, const MicroConditions& m) {
  const auto require = [&](const char* field, int value, int low) {
    if (value < low || value > kMostPixels)
      fail(ErrorKind::invalid_argument, name, ".", field, " is ", value, ", allowed is ", low, " to ", kMostPixels);
  };
  if (m.original_size) require("original_size.height", m.original_size->height, 1), require("original_size.width", m.original_size->width, 1);
  if (m.target_size) require("target_size.height", m.target_size->height, 1), require("target_size.width", m.target_size->width, 1);
  if (m.crops_coords_top_left)
    require("crops_coords_top_left.top", m.crops_coords_top_left->top, 0), require("crops_coords_top_left.left", m.crops_coords_top_left->left, 0);
}

}  // namespace

PictureIds picture_ids(const TextToImageOptions& o, std::int64_t count) {
  if (count == 0) return {};
  const auto& negative = o.negative_micro_conditions;
  const MicroConditions away{
      .original_size = negative.original_size ? negative.original_size : o.micro_conditions.original_size,
      .crops_coords_top_left = negative.crops_coords_top_left ? negative.crops_coords_top_left : o.micro_conditions.crops_coords_top_left,
      .target_size = negative.target_size ? negative.target_size : o.micro_conditions.target_size};
  return {ids(o.micro_conditions, o, count, o.aesthetic_score), ids(away, o, count, o.negative_aesthetic_score)};
}

void check_micro_conditions(const TextToImageOptions& o) {
  check("micro_conditions", o.micro_conditions);
  check("negative_micro_conditions", o.negative_micro_conditions);
  const auto require_score = [](const char* name, float score) {
    if (!(score >= 0 && score <= 100)) fail(ErrorKind::invalid_argument, name, " is ", score, ", allowed is 0 to 100");
  };
  require_score("aesthetic_score", o.aesthetic_score);
  require_score("negative_aesthetic_score", o.negative_aesthetic_score);
}

}  // namespace impasto
