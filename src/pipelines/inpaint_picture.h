// The host's side of inpainting: from picture and mask to what the networks see, and from what they paint to the picture.
#pragma once

#include <string>
#include <vector>

#include "image/fitting.h"
#include "impasto/pipeline.h"
#include "pipelines/checkpoint.h"

namespace impasto {

class InpaintPicture {
 public:
  /// Warnings go to `warnings`. Throws invalid_argument for options out of range or a mask that masks nothing.
  InpaintPicture(const InpaintOptions& options, const Checkpoint& checkpoint, std::vector<std::string>& warnings);

  /// The options with the size to draw at.
  const TextToImageOptions& sized() const { return sized_; }
  /// What is drawn on, of that size.
  Image working_image() const;
  /// One channel of that size: 255 where it is repainted, else 0.
  Pixels working_mask() const;
  /// Puts what was painted into the picture, for each of the images.
  void put_in_place(std::vector<Image>& images) const;

 private:
  bool crops() const { return area_ == InpaintArea::masked; }
  Pixels weights() const;
  Pixels laid_over(const Pixels& base, const Image& painted) const;

  const InpaintArea area_;
  const bool keep_unmasked_;
  const bool keeps_size_;  ///< the results have the canvas's size, else the one that is drawn at
  const int seam_;         ///< pixels
  Pixels canvas_;          // the picture, grown
  Pixels mask_;            // of the same size: as the user drew it
  Pixels soft_;            // blurred
  TextToImageOptions sized_;
  Region region_;  // of the canvas that is drawn
};

}  // namespace impasto
