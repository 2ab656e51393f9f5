// 8-bit pictures of any number of channels, inside the library: Image is the public one of three.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "impasto/image.h"

namespace impasto {

/// Interleaved values, rows top to bottom, that somebody else keeps.
struct PixelView {
  const std::uint8_t* values;
  int width, height, channels;

  std::size_t stride() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels); }
  const std::uint8_t* row(int y) const { return values + static_cast<std::size_t>(y) * stride(); }
};

struct Pixels {
  int width = 0, height = 0, channels = 3;
  std::vector<std::uint8_t> values;

  Pixels(int width_, int height_, int channels_, std::vector<std::uint8_t> values_)
      : width(width_), height(height_), channels(channels_), values(std::move(values_)) {}
  /// Black.
  Pixels(int width_, int height_, int channels_)
      : Pixels(
            width_, height_, channels_,
            std::vector<std::uint8_t>(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * static_cast<std::size_t>(channels_))) {}
  explicit Pixels(Image image) : Pixels(image.width, image.height, 3, std::move(image.pixels)) {}

  PixelView view() const { return {values.data(), width, height, channels}; }
  std::uint8_t* row(int y) { return values.data() + static_cast<std::size_t>(y) * view().stride(); }
  const std::uint8_t* row(int y) const { return view().row(y); }
};

/// Whether it has pixels, and as many as its sides say.
inline bool is_whole(const Image& image) {
  return image.width >= 1 && image.height >= 1 &&
         image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
}

inline PixelView view_of(const Image& image) { return {image.pixels.data(), image.width, image.height, 3}; }

/// REQUIRES: three channels.
inline Image to_image(Pixels pixels) { return {pixels.width, pixels.height, std::move(pixels.values)}; }

}  // namespace impasto
