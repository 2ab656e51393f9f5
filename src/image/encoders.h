// A writer for each format; see encode_image for what they promise together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "impasto/image.h"

namespace impasto {

/// Throws invalid_argument when the pixels do not make such a picture, or a side is longer than the format's longest.
void require_encodable(const Image& image, const char* format, int longest_side);

std::vector<std::uint8_t> png_bytes(const Image& image, const std::vector<TextChunk>& text);
/// `exif`: a TIFF structure; empty for none.
std::vector<std::uint8_t> jpeg_bytes(const Image& image, const std::vector<std::uint8_t>& exif, const EncodeOptions& options);
std::vector<std::uint8_t> webp_bytes(const Image& image, const std::vector<std::uint8_t>& exif, const EncodeOptions& options);

}  // namespace impasto
