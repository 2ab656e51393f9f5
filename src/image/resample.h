// Pillow's resizing of 8-bit pictures, value for value.
#pragma once

#include "image/pixels.h"

namespace impasto {

/// A rectangle in pixels; may have no height or width, which stands for the line that it lies on.
struct Box {
  double left, top, right, bottom;
};

inline Box whole(const PixelView& image) { return {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}; }

/// What Pillow's Image.resize((width, height), filter, box) gives: the box of the picture brought to width x height. Two passes, across and then
/// down (the other way round where it loses more than twice as many rows as columns), with weights of 22 fractional bits and a rounding to 8 bits
/// after each; the filters grow with the scale where a picture shrinks. As Pillow 13 does it. REQUIRES: width and height at least 1, the box inside
/// the picture, and not empty for `nearest`.
Pixels resample(const PixelView& image, const Box& box, int width, int height, ResizeFilter filter);

}  // namespace impasto
