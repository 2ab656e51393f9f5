#include "image/fitting.h"

#include <algorithm>

#include "core/fail.h"
#include "image/resample.h"

namespace impasto {
namespace {

Region bounds(const PixelView& mask) {
  Region box{mask.width, mask.height, 0, 0};
  for (int y = 0; y < mask.height; ++y) {
    const std::uint8_t* row = mask.row(y);
    const auto* first = std::find_if(row, row + mask.width, [](std::uint8_t v) { return v != 0; });
    if (first == row + mask.width) continue;
    int last = mask.width - 1;
    while (row[last] == 0) --last;
    box.left = std::min(box.left, static_cast<int>(first - row));
    box.right = std::max(box.right, last + 1);
    box.top = std::min(box.top, y);
    box.bottom = y + 1;
  }
  return box;
}

/// Makes begin..end longer by `more`, half at each end, moved back inside 0..limit and cut where it does not fit.
void lengthen(int& begin, int& end, int more, int limit) {
  begin -= more / 2;
  end += more - more / 2;
  if (end >= limit) {
    begin -= end - limit;
    end = limit;
  }
  if (begin < 0) {
    end -= begin;
    begin = 0;
  }
  end = std::min(end, limit);
}

double ratio(int width, int height) { return static_cast<double>(width) / height; }

/// The picture's own side brought along with the other, rounded down, as Python's integers are.
int scaled(int side, int to, int other) { return std::max(1, static_cast<int>(std::int64_t{side} * to / other)); }

Pixels lanczos(const PixelView& image, int width, int height) { return resample(image, whole(image), width, height, ResizeFilter::lanczos); }

/// A line of the picture widened to a stripe: Pillow resizes a box without height or width, with its default filter.
Pixels stripe(const PixelView& image, const Box& line, int width, int height) { return resample(image, line, width, height, ResizeFilter::bicubic); }

}  // namespace

Region crop_region(const PixelView& mask, int width, int height, int padding) {
  IMPASTO_CHECK(mask.channels == 1);
  Region r = bounds(mask);
  IMPASTO_CHECK(r.left < r.right);
  r = {std::max(r.left - padding, 0), std::max(r.top - padding, 0), std::min(r.right + padding, mask.width),
       std::min(r.bottom + padding, mask.height)};
  const double wanted = ratio(width, height);
  if (ratio(r.width(), r.height()) > wanted) {
    lengthen(r.top, r.bottom, static_cast<int>(r.width() / wanted - r.height()), mask.height);
  } else {
    lengthen(r.left, r.right, static_cast<int>(r.height() * wanted - r.width()), mask.width);
  }
  return r;
}

Pixels crop(const PixelView& image, const Region& region) {
  IMPASTO_CHECK(0 <= region.left && region.left < region.right && region.right <= image.width && 0 <= region.top && region.top < region.bottom &&
                region.bottom <= image.height);
  Pixels out(region.width(), region.height(), image.channels);
  const std::size_t left = static_cast<std::size_t>(region.left) * static_cast<std::size_t>(image.channels);
  for (int y = 0; y < out.height; ++y) std::copy_n(image.row(region.top + y) + left, out.view().stride(), out.row(y));
  return out;
}

void paste(Pixels& canvas, const PixelView& patch, int x, int y) {
  IMPASTO_CHECK(canvas.channels == patch.channels);
  const int left = std::max(0, -x), right = std::min(patch.width, canvas.width - x);
  const auto channels = static_cast<std::size_t>(canvas.channels);
  if (left >= right) return;
  for (int row = std::max(0, -y); row < std::min(patch.height, canvas.height - y); ++row)
    std::copy_n(patch.row(row) + static_cast<std::size_t>(left) * channels, static_cast<std::size_t>(right - left) * channels,
                canvas.row(y + row) + static_cast<std::size_t>(x + left) * channels);
}

Pixels resize_and_fill(const PixelView& image, int width, int height) {
  const double to = ratio(width, height), from = ratio(image.width, image.height);
  const int w = to < from ? width : scaled(image.width, height, image.height), h = to >= from ? height : scaled(image.height, width, image.width);
  const Pixels middle = lanczos(image, w, h);
  Pixels out(width, height, image.channels);
  const int x = width / 2 - w / 2, y = height / 2 - h / 2;
  paste(out, middle.view(), x, y);
  const auto right = static_cast<double>(w), bottom = static_cast<double>(h);
  if (to < from && y > 0) {
    paste(out, stripe(middle.view(), {0, 0, right, 0}, width, y).view(), 0, 0);
    paste(out, stripe(middle.view(), {0, bottom, right, bottom}, width, y).view(), 0, y + h);
  } else if (to > from && x > 0) {
    paste(out, stripe(middle.view(), {0, 0, 0, bottom}, x, height).view(), 0, 0);
    paste(out, stripe(middle.view(), {right, 0, right, bottom}, x, height).view(), x + w, 0);
  }
  return out;
}

Pixels resize_and_crop(const PixelView& image, int width, int height) {
  const double to = ratio(width, height), from = ratio(image.width, image.height);
  const int w = to > from ? width : scaled(image.width, height, image.height), h = to <= from ? height : scaled(image.height, width, image.width);
  Pixels out(width, height, image.channels);
  paste(out, lanczos(image, w, h).view(), width / 2 - w / 2, height / 2 - h / 2);
  return out;
}

}  // namespace impasto
