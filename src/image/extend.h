// More room around a picture.
#pragma once

#include "image/pixels.h"
#include "impasto/pipeline.h"

namespace impasto {

/// The picture with margins around it that go on with its outermost pixels, roughened by noise the more the further out, so that what is
/// painted over them does not see stripes. The noise is the same in every call.
Pixels extended(const PixelView& image, const Margins& margins);

/// A mask with white margins.
Pixels extended_mask(const PixelView& mask, const Margins& margins);

}  // namespace impasto
