#include "image/mask.h"

#include <algorithm>
#include <cmath>

#include "core/fail.h"

namespace impasto {
namespace {

/// One box filter: `radius` may lie between whole pixels, whose share the outermost two values then have.
struct BoxFilter {
  explicit BoxFilter(float radius_)
      : radius(static_cast<int>(radius_)),
        weight(static_cast<std::uint32_t>(static_cast<float>(1 << 24) / (radius_ * 2 + 1))),
        outer_weight(((1u << 24) - static_cast<std::uint32_t>(radius * 2 + 1) * weight) / 2) {}

  int radius;
  std::uint32_t weight, outer_weight;  // 24 fractional bits

  void apply(const std::uint8_t* in, std::uint8_t* out, int count) const {
    const auto at = [&](int x) { return std::uint32_t{in[std::clamp(x, 0, count - 1)]}; };
    std::uint32_t sum = 0;
    for (int x = -radius; x <= radius; ++x) sum += at(x);
    for (int x = 0; x < count; ++x) {
      const std::uint32_t value = sum * weight + (at(x - radius - 1) + at(x + radius + 1)) * outer_weight;
      out[x] = static_cast<std::uint8_t>((value + (1u << 23)) >> 24);
      sum += at(x + radius + 1) - at(x - radius);
    }
  }
};

constexpr int kPasses = 3;

/// Radius of a box filter that, applied kPasses times, spreads as a Gaussian of the given deviation; equations 7, 11 and 14 of the paper.
float box_radius(float deviation) {
  const float variance = deviation * deviation / kPasses;
  const float length = std::sqrt(12.0 * variance + 1.0), whole = std::floor((length - 1.0) / 2.0);
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  return whole + part;
}

Pixels blurred_across(const Pixels& mask, const BoxFilter& filter) {
  Pixels out = mask;
  std::vector<std::uint8_t> line(static_cast<std::size_t>(mask.width));
  for (int y = 0; y < mask.height; ++y)
    for (int pass = 0; pass < kPasses; ++pass) {
      std::copy_n(out.row(y), line.size(), line.begin());
      filter.apply(line.data(), out.row(y), mask.width);
    }
  return out;
}

Pixels transposed(const Pixels& mask) {
  Pixels out(mask.height, mask.width, 1);
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) out.row(x)[y] = mask.row(y)[x];
  return out;
}

/// Thirds of a pixel from each pixel to the nearest black one, at most kFar: steps of 3 along sides and 4 along diagonals (Borgefors, 1986), at
/// most 6 % from the true distance. A picture without black is far from it everywhere.
constexpr int kFar = 0xFFFF, kSide = 3, kDiagonal = 4;

std::vector<std::uint16_t> distances(const PixelView& mask) {
  const int w = mask.width, h = mask.height;
  std::vector<std::uint16_t> d(static_cast<std::size_t>(w) * static_cast<std::size_t>(h));
  const auto at = [&](int x, int y) -> std::uint16_t& {
    return d[static_cast<std::size_t>(y) * static_cast<std::size_t>(w) + static_cast<std::size_t>(x)];
  };
  const auto towards = [&](int x, int y, int dx, int dy) {  // by way of the neighbours on one side
    int nearest = at(x, y);
    const auto by = [&](int u, int v, int step) {
      if (u >= 0 && u < w && v >= 0 && v < h) nearest = std::min(nearest, at(u, v) + step);
    };
    by(x + dx, y, kSide);
    by(x, y + dy, kSide);
    by(x - 1, y + dy, kDiagonal);
    by(x + 1, y + dy, kDiagonal);
    at(x, y) = static_cast<std::uint16_t>(nearest);
  };
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      at(x, y) = static_cast<std::uint16_t>(mask.row(y)[x] == 0 ? 0 : kFar);
      towards(x, y, -1, -1);
    }
  for (int y = h - 1; y >= 0; --y)
    for (int x = w - 1; x >= 0; --x) towards(x, y, 1, 1);
  return d;
}

}  // namespace

Pixels to_grey(const PixelView& rgb) {
  IMPASTO_CHECK(rgb.channels == 3);
  Pixels out(rgb.width, rgb.height, 1);
  const std::uint8_t* p = rgb.values;
  for (std::uint8_t& grey : out.values) {
    grey = static_cast<std::uint8_t>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    p += 3;
  }
  return out;
}

void invert(Pixels& pixels) {
  for (std::uint8_t& value : pixels.values) value = static_cast<std::uint8_t>(255 - value);
}

Pixels gaussian_blur(const Pixels& mask, float radius) {
  IMPASTO_CHECK(mask.channels == 1);
  if (radius <= 0) return mask;
  const BoxFilter filter(box_radius(radius));
  return transposed(blurred_across(transposed(blurred_across(mask, filter)), filter));
}

Pixels seam_weights(const PixelView& mask, int seam) {
  IMPASTO_CHECK(mask.channels == 1);
  const std::vector<std::uint16_t> depth = distances(mask);
  // A pixel beside a black one is 3 deep, so that weights begin at 1 / (seam + 1).
  const int deepest = depth.empty() ? 1 : int{*std::max_element(depth.begin(), depth.end())}, full = std::max(1, std::min(3 * (seam + 1), deepest));
  Pixels out(mask.width, mask.height, 1);
  for (std::size_t i = 0; i < out.values.size(); ++i)
    out.values[i] = static_cast<std::uint8_t>((mask.values[i] * std::min(int{depth[i]}, full) + full / 2) / full);
  return out;
}

void blend(Pixels& onto, const PixelView& painted, const PixelView& weights) {
  IMPASTO_CHECK(onto.width == painted.width && onto.height == painted.height && onto.channels == painted.channels && weights.channels == 1 &&
                weights.width == onto.width && weights.height == onto.height);
  const auto channels = static_cast<std::size_t>(onto.channels);
  for (std::size_t i = 0; i < onto.values.size(); ++i) {
    const int weight = weights.values[i / channels];
    onto.values[i] = static_cast<std::uint8_t>((onto.values[i] * (255 - weight) + painted.values[i] * weight + 127) / 255);
  }
}

}  // namespace impasto
