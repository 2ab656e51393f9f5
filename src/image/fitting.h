// Cutting a part out of a picture, bringing it to a working size, and back: the rules of diffusers' padding_mask_crop.
#pragma once

#include "image/pixels.h"

namespace impasto {

/// Whole pixels, right and bottom excluded.
struct Region {
  int left, top, right, bottom;

  int width() const { return right - left; }
  int height() const { return bottom - top; }
  bool operator==(const Region&) const = default;
};

/// Of all that is not black in a mask [h, w, 1], with `padding` pixels on each side, grown to the proportions of `width` : `height` as far as the
/// picture allows. REQUIRES: something is not black.
Region crop_region(const PixelView& mask, int width, int height, int padding);

Pixels crop(const PixelView& image, const Region& region);

/// The whole picture in the middle of width x height, as large as it fits (Lanczos); its outermost rows or columns fill what is left.
Pixels resize_and_fill(const PixelView& image, int width, int height);
/// Its middle part, as small as it covers width x height (Lanczos).
Pixels resize_and_crop(const PixelView& image, int width, int height);

/// Copies `patch` onto `canvas` with its left upper corner at x, y; what would lie outside is left out. REQUIRES: as many channels.
void paste(Pixels& canvas, const PixelView& patch, int x, int y);

}  // namespace impasto
