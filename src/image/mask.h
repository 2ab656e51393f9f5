// Masks: one channel, white where the picture is to be repainted.
#pragma once

#include "image/pixels.h"

namespace impasto {

/// Brightness as Pillow's convert("L") has it: 0.299 R + 0.587 G + 0.114 B. Equal channels come out as they are.
Pixels to_grey(const PixelView& rgb);

void invert(Pixels& pixels);

/// Pillow's GaussianBlur of one channel, value for value: three box filters each way whose width may lie between whole pixels (Gwosdek et al.,
/// 2011). Beyond the border the outermost value goes on.
Pixels gaussian_blur(const Pixels& mask, float radius);

/// How much of the repainted picture shows, 0..255: nothing where the mask is black; inside, the mask's value, rising from its edge over `seam`
/// pixels, or over as much as its thickest part has. The border of the picture is no edge.
Pixels seam_weights(const PixelView& mask, int seam);

/// onto += weights * (painted - onto), value by value, rounded; where a weight is 0 nothing changes. REQUIRES: equal sizes.
void blend(Pixels& onto, const PixelView& painted, const PixelView& weights);

}  // namespace impasto
