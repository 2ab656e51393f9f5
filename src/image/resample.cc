#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/fail.h"
#include "core/guard.h"

namespace impasto {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // of a weight: 8 bits of value and the overshoot of negative lobes fit beside it

double sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

struct Filter {
  double support;
  double (*weight)(double x);
};

Filter filter_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::bilinear: return {1, [](double x) { return std::max(0.0, 1 - std::abs(x)); }};
    case ResizeFilter::bicubic:  // Keys, 1981, with a = -1/2
      return {2, [](double x) {
                constexpr double a = -0.5;
                x = std::abs(x);
                if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
                return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
              }};
    default: return {3, [](double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0.0; }};
  }
}

/// For each position of one side: the first value that it is made of, and the weights of that and the following ones.
struct Weights {
  int most = 0;  // weights of a position
  std::vector<int> first, count;
  std::vector<std::int32_t> fixed;  // [positions, most]

  Weights(const Filter& filter, double begin, double end, int from, int to) {
    const double scale = (end - begin) / to, stretch = std::max(scale, 1.0), support = filter.support * stretch;
    most = static_cast<int>(std::ceil(support)) * 2 + 1;
    fixed.resize(static_cast<std::size_t>(to) * static_cast<std::size_t>(most));
    std::vector<double> exact(static_cast<std::size_t>(most));
    for (int i = 0; i < to; ++i) {
      const double centre = begin + (i + 0.5) * scale;
      const int low = std::max(0, static_cast<int>(centre - support + 0.5)), high = std::min(from, static_cast<int>(centre + support + 0.5));
      double sum = 0;
      for (int k = low; k < high; ++k) {
        exact[static_cast<std::size_t>(k - low)] = filter.weight((k - centre + 0.5) * (1 / stretch));
        sum += exact[static_cast<std::size_t>(k - low)];
      }
      for (int k = 0; k < high - low; ++k)
        at(i)[k] = to_fixed(sum != 0 ? exact[static_cast<std::size_t>(k)] / sum : exact[static_cast<std::size_t>(k)]);
      first.push_back(low);
      count.push_back(high - low);
    }
  }

  std::int32_t* at(int i) { return fixed.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(most); }
  const std::int32_t* at(int i) const { return fixed.data() + static_cast<std::size_t>(i) * static_cast<std::size_t>(most); }

  static std::int32_t to_fixed(double weight) { return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kFractionBits)); }
};

constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

std::uint8_t rounded(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

/// Rows top .. bottom of the picture, each brought to w's positions.
Pixels across(const PixelView& image, const Weights& w, int top, int bottom) {
  const auto channels = static_cast<std::size_t>(image.channels);
  Pixels out(static_cast<int>(w.first.size()), bottom - top, image.channels);
  std::uint8_t* next = out.values.data();
  for (int y = top; y < bottom; ++y) {
    for (std::size_t x = 0; x < w.first.size(); ++x) {
      const std::int32_t* weight = w.at(static_cast<int>(x));
      const std::uint8_t* from = image.row(y) + static_cast<std::size_t>(w.first[x]) * channels;
      for (std::size_t c = 0; c < channels; ++c) {
        std::int32_t sum = kHalf;
        for (int k = 0; k < w.count[x]; ++k) sum += from[static_cast<std::size_t>(k) * channels + c] * weight[k];
        *next++ = rounded(sum);
      }
    }
  }
  return out;
}

/// Columns brought to w's positions; `top` is the row of the picture that `image` begins with.
Pixels down(const PixelView& image, const Weights& w, int top) {
  Pixels out(image.width, static_cast<int>(w.first.size()), image.channels);
  std::vector<std::int32_t> sums(image.stride());
  for (int y = 0; y < out.height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int k = 0; k < w.count[static_cast<std::size_t>(y)]; ++k) {
      const std::int32_t weight = w.at(y)[k];
      const std::uint8_t* row = image.row(w.first[static_cast<std::size_t>(y)] + k - top);
      for (std::size_t x = 0; x < sums.size(); ++x) sums[x] += row[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), out.row(y), rounded);
  }
  return out;
}

/// Positions of the values nearest to the middle of each position, stepping as Pillow does.
std::vector<std::size_t> nearest(double begin, double end, int from, int to) {
  std::vector<std::size_t> positions;
  const double step = (end - begin) / to;
  double at = begin + step * 0.5;
  for (int i = 0; i < to; ++i, at += step) positions.push_back(static_cast<std::size_t>(std::clamp(static_cast<int>(std::floor(at)), 0, from - 1)));
  return positions;
}

Pixels take_nearest(const PixelView& image, const Box& box, int width, int height) {
  const auto columns = nearest(box.left, box.right, image.width, width), rows = nearest(box.top, box.bottom, image.height, height);
  const auto channels = static_cast<std::size_t>(image.channels);
  Pixels out(width, height, image.channels);
  std::uint8_t* next = out.values.data();
  for (const std::size_t y : rows)
    for (const std::size_t x : columns) next = std::copy_n(image.row(static_cast<int>(y)) + x * channels, channels, next);
  return out;
}

}  // namespace

Pixels resample(const PixelView& image, const Box& box, int width, int height, ResizeFilter filter) {
  IMPASTO_CHECK(width > 0 && height > 0 && 0 <= box.left && box.left <= box.right && box.right <= image.width && 0 <= box.top &&
                box.top <= box.bottom && box.bottom <= image.height);
  if (filter == ResizeFilter::nearest) return take_nearest(image, box, width, height);
  const Filter f = filter_of(filter);
  const Weights columns(f, box.left, box.right, image.width, width), rows(f, box.top, box.bottom, image.height, height);
  const bool same_width = width == image.width && box.left == 0 && box.right == width;
  const bool same_height = height == image.height && box.top == 0 && box.bottom == height;
  if (same_width) return same_height ? Pixels(width, height, image.channels, {image.row(0), image.row(height)}) : down(image, rows, 0);
  // Each pass rounds and cuts off what overshoots, so that their order shows. This is Pillow 13's, found by trying it.
  if (height < image.height && image.height - height > 2 * (image.width - width)) return across(down(image, rows, 0).view(), columns, 0, height);
  if (same_height) return across(image, columns, 0, height);
  const int top = rows.first.front(), bottom = rows.first.back() + rows.count.back();  // what the second pass will look at
  return down(across(image, columns, top, bottom).view(), rows, top);
}

Image resize(const Image& image, int width, int height, ResizeFilter filter) {
  if (!is_whole(image))
    fail(ErrorKind::invalid_argument, "resize: ", image.pixels.size(), " bytes of pixels do not make a picture of ", image.width, " x ", image.height,
         " (3 bytes each)");
  constexpr int kLongestSide = 1 << 16;
  if (width < 1 || height < 1 || width > kLongestSide || height > kLongestSide)
    fail(ErrorKind::invalid_argument, "resize: to ", width, " x ", height, ", allowed is 1 to ", kLongestSide);
  return guarded([&] { return to_image(resample(view_of(image), whole(view_of(image)), width, height, filter)); });
}

}  // namespace impasto
